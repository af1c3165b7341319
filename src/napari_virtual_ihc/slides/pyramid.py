"""A pyramid for slides that have none, or too short a one: 2x levels computed when looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.source import ChunkSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels, TileSource

_TILE = 256
_SMALLEST_FLAT = 512
_SMALLEST = 1024


def halve(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the 2x2 means of (h, w, c) uint8 as (ceil(h/2), ceil(w/2), c).

    A mean is ``(a + b + c + d + 2) // 4``: exact, halves upward. An odd last row or column is
    repeated.
    """
    odd = pixels.shape[0] % 2, pixels.shape[1] % 2
    if any(odd):
        pixels = np.pad(pixels, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
    down = pixels[0::2].astype(np.uint16) + pixels[1::2]
    return ((down[:, 0::2] + down[:, 1::2] + 2) >> 2).astype(np.uint8)


def halved_shapes(shape: tuple[int, int], smallest: int) -> tuple[tuple[int, int], ...]:
    """Return the shapes after ``shape``, each half of the one before (rounded up), until one fits.

    Parameters
    ----------
    shape
        Height and width in px.
    smallest
        Longest side, in px, at which to stop.
    """
    shapes = []
    while max(shape) > smallest:
        shape = (-(-shape[0] // 2), -(-shape[1] // 2))
        shapes.append(shape)
    return tuple(shapes)


class PyramidSource(ChunkSource):
    """A source with computed levels under its own.

    Each computed tile is the 2x2 mean of the level before it; tiles are made on demand, from one
    base tile at a time, and kept in a cache bounded in bytes, so no level is ever held whole.

    Parameters
    ----------
    base
        The source to extend.
    added
        Shapes of the computed levels, as :func:`halved_shapes` gives them.
    """

    def __init__(self, base: TileSource, added: tuple[tuple[int, int], ...]) -> None:
        super().__init__(base.shapes + added, base.tile_shapes + ((_TILE, _TILE),) * len(added))
        self.base = base

    def __reduce__(self) -> tuple[object, ...]:
        """Send the base and the geometry to another process, not the cache."""
        return PyramidSource, (self.base, self.shapes[len(self.base.shapes) :])

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """Return a window of a stored or a computed level."""
        if level < len(self.base.shapes):
            return self.base.read(level, y, x, h, w)
        return super().read(level, y, x, h, w)

    def decode(self, level: int, row: int, col: int) -> Pixels:
        """Return one computed tile; a pixel is valid if all it is the mean of are."""
        height, width = self.shapes[level - 1]
        y, x = 2 * row * _TILE, 2 * col * _TILE
        size = min(2 * _TILE, height - y), min(2 * _TILE, width - x)
        pixels, valid = self.read(level - 1, y, x, *size)
        if valid.all():
            return halve(pixels), np.ones((-(-size[0] // 2), -(-size[1] // 2)), np.bool_)
        return halve(pixels), halve(~valid[..., None] * np.uint8(4))[..., 0] == 0


def with_pyramid(source: TileSource) -> TileSource:
    """Return ``source``, extended where its coarsest level is too large to be an overview.

    A source with one level gets levels down to 512 px or less; one with several gets levels
    down to 1024 px or less. Gaps between stored levels stay as they are.
    """
    smallest = _SMALLEST_FLAT if len(source.shapes) == 1 else _SMALLEST
    added = halved_shapes(source.shapes[-1], smallest)
    return PyramidSource(source, added) if added else source


def stored_levels(source: TileSource) -> int:
    """Return how many of a source's levels can be read without computing them."""
    return len(source.base.shapes) if isinstance(source, PyramidSource) else len(source.shapes)
