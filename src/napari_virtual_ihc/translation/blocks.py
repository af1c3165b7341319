"""Which tiles are computed in one forward, and from which pixels: anchored to the slide.

Neighbouring tiles share one forward so that the margin is paid once. Everything here is integer
geometry on the model's grid: a tile's forward never depends on the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from napari_virtual_ihc.tiles.grid import ceil_div
from napari_virtual_ihc.tiles.producer import TileAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_virtual_ihc.tiles.grid import TileGrid


class Window(NamedTuple):
    """A rectangle of the model's grid in px; it may reach beyond the slide."""

    y: int
    x: int
    h: int
    w: int

    def grown(self, margin: int) -> Window:
        """Return the rectangle with ``margin`` px added on every side."""
        return Window(self.y - margin, self.x - margin, self.h + 2 * margin, self.w + 2 * margin)

    def inside(self, outer: Window) -> tuple[slice, slice]:
        """Return this rectangle as rows and columns of an array that holds ``outer``."""
        y, x = self.y - outer.y, self.x - outer.x
        return slice(y, y + self.h), slice(x, x + self.w)


@dataclass(frozen=True)
class BlockPlan:
    """How tiles are joined into blocks.

    Parameters
    ----------
    grid
        The tiles, at the model's scale.
    group
        Tiles per side of a block.
    margin
        Pixels read around what is kept.
    step
        Sides of a core, plus ``extra``, are multiples of this.
    extra
        0 where a core's place on the network's lattice matters alone (exact models: the tile and
        the margin are multiples of the lattice), else twice the margin.
    """

    grid: TileGrid
    group: int
    margin: int
    step: int
    extra: int = 0

    def members(self, address: TileAddress) -> tuple[TileAddress, ...]:
        """Return the tiles of the block that ``address`` belongs to, row by row."""
        top = address.row // self.group * self.group
        left = address.col // self.group * self.group
        return tuple(
            TileAddress(0, row, col)
            for row in range(top, min(top + self.group, self.grid.rows))
            for col in range(left, min(left + self.group, self.grid.cols))
        )

    def blocks(self, addresses: Iterable[TileAddress]) -> Iterator[tuple[TileAddress, ...]]:
        """Yield each block that holds one of ``addresses`` once, in the order first met."""
        yield from dict.fromkeys(self.members(address) for address in addresses)

    def all_blocks(self) -> Iterator[tuple[TileAddress, ...]]:
        """Yield every block of the slide, row by row."""
        for row in range(0, self.grid.rows, self.group):
            for col in range(0, self.grid.cols, self.group):
                yield self.members(TileAddress(0, row, col))

    def box(self, address: TileAddress) -> Window:
        """Return a tile's own pixels, cropped to the slide."""
        return Window(*self.grid.box(address.row, address.col))

    def core(self, tiles: Iterable[TileAddress]) -> Window:
        """Return the bounding rectangle of ``tiles``, sides raised so that a forward fits.

        What is added lies right and below, beyond the slide, where it is mirrored. The core of some
        tiles of a block lies inside that of all of them.
        """
        boxes = [self.box(tile) for tile in tiles]
        y, x = min(box.y for box in boxes), min(box.x for box in boxes)
        bottom, right = max(box.y + box.h for box in boxes), max(box.x + box.w for box in boxes)
        return Window(y, x, self._fitting(bottom - y), self._fitting(right - x))

    def _fitting(self, length: int) -> int:
        return ceil_div(length + self.extra, self.step) * self.step - self.extra
