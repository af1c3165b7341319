"""What a producer makes, as a slide: virtual pixels read like those of a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.slides.source import GLASS
from napari_virtual_ihc.tiles.producer import TileAddress

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.source import Pixels
    from napari_virtual_ihc.tiles.awaited import AwaitedTiles


@dataclass(frozen=True, eq=False)
class ProducedSlide(Slide):
    """A slide of tiles; naming it, and its glass, reads none of them."""

    identity: str = ""
    glass: tuple[int, int, int] = GLASS

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits of what the tiles are made from."""
        return self.identity

    @cached_property
    def background(self) -> tuple[int, int, int]:
        """Colour of clear glass."""
        return self.glass


def produced_slide(tiles: AwaitedTiles, glass: tuple[int, int, int] = GLASS) -> ProducedSlide:
    """Return the slide that some tiles make; it has the scale of their grid.

    Parameters
    ----------
    tiles
        Where its pixels come from; the slide is read on the threads that may call it.
    glass
        RGB of what holds no tissue.
    """
    producer = tiles.producer
    source = ProducedSource(tiles, glass)
    identity = hash_of("produced/1", producer.key, list(glass))
    return ProducedSlide(
        producer.label, source, producer.grid.mpp, "virtual", (), True, identity, glass
    )


class ProducedSource:
    """Tiles of a producer as one level of RGB; blank ones are glass, failed ones not valid."""

    def __init__(self, tiles: AwaitedTiles, glass: tuple[int, int, int]) -> None:
        grid = tiles.producer.grid
        self._tiles, self._grid, self._glass = tiles, grid, glass
        self.shapes = ((grid.height, grid.width),)
        self.tile_shapes = ((grid.tile, grid.tile),)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """Return the window, see `TileSource.read`; waits for tiles that are not made yet."""
        pixels = np.empty((h, w, 3), np.uint8)
        pixels[:] = self._glass
        valid = np.zeros((h, w), np.bool_)
        covering = self._grid.covering(y, y + h, x, x + w)
        for address, tile in self._tiles([TileAddress(level, *one) for one in covering]).items():
            top, left, height, width = self._grid.box(address.row, address.col)
            rows, inner_rows = _common(y, h, top, height)
            columns, inner_columns = _common(x, w, left, width)
            part = tile[inner_rows, inner_columns]
            seen = part[..., 3] > 0
            pixels[rows, columns][seen] = part[..., :3][seen]
            valid[rows, columns] = True
        return pixels, valid


def _common(start: int, length: int, other: int, side: int) -> tuple[slice, slice]:
    """Return what two stretches share, within the first and within the second."""
    low, high = max(start, other), min(start + length, other + side)
    return slice(low - start, high - start), slice(low - other, high - other)
