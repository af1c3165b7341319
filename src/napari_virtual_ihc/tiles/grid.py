"""The grid of tiles: anchored to the slide's origin, so a tile never depends on the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def ceil_div(value: int, by: int) -> int:
    """Return ``value / by`` rounded up, for integers."""
    return -(-value // by)


@dataclass(frozen=True)
class TileGrid:
    """Square tiles over an image of ``height`` × ``width`` pixels; edge tiles are cropped to it.

    Parameters
    ----------
    height, width
        Extent in pixels, at least 1.
    tile
        Side of a tile in pixels, even, so that coarser pixels never straddle two tiles.
    mpp
        µm per pixel of this grid.
    """

    height: int
    width: int
    tile: int
    mpp: float

    def __post_init__(self) -> None:
        """Refuse an empty extent, an odd tile and a scale that is not positive."""
        if self.height < 1 or self.width < 1:
            raise ValueError(f"A grid of {self.height} × {self.width} px has no pixels.")
        if self.tile < 2 or self.tile % 2:
            raise ValueError(f"The tile side must be even and at least 2 px, not {self.tile}.")
        if not self.mpp > 0:
            raise ValueError(f"The grid's µm/px must be positive, not {self.mpp}.")

    @property
    def rows(self) -> int:
        """Number of tile rows."""
        return ceil_div(self.height, self.tile)

    @property
    def cols(self) -> int:
        """Number of tile columns."""
        return ceil_div(self.width, self.tile)

    def holds(self, row: int, col: int) -> bool:
        """Return whether the tile lies on this grid."""
        return 0 <= row < self.rows and 0 <= col < self.cols

    def box(self, row: int, col: int) -> tuple[int, int, int, int]:
        """Return ``(y, x, h, w)`` of a tile in pixels, cropped to the extent.

        Raises
        ------
        IndexError
            If the tile is not on the grid.
        """
        if not self.holds(row, col):
            raise IndexError(f"Tile {row}, {col} is not on a grid of {self.rows} × {self.cols}.")
        y, x = row * self.tile, col * self.tile
        return y, x, min(self.tile, self.height - y), min(self.tile, self.width - x)

    def covering(self, y0: int, y1: int, x0: int, x1: int) -> Iterator[tuple[int, int]]:
        """Yield ``(row, col)`` of every tile that shares a pixel with ``[y0, y1) × [x0, x1)``."""
        y0, y1 = max(y0, 0), min(y1, self.height)
        x0, x1 = max(x0, 0), min(x1, self.width)
        if y0 >= y1 or x0 >= x1:
            return
        for row in range(y0 // self.tile, ceil_div(y1, self.tile)):
            for col in range(x0 // self.tile, ceil_div(x1, self.tile)):
                yield row, col

    def level(self, n: int) -> TileGrid:
        """Return the grid ``2**n`` times coarser: same tile side, extent rounded up."""
        step = 2**n
        return TileGrid(
            ceil_div(self.height, step), ceil_div(self.width, step), self.tile, self.mpp * step
        )

    def spiral(self, row: int, col: int) -> Iterator[tuple[int, int]]:
        """Yield every ``(row, col)`` of the grid once, ring after ring around the given tile."""
        reach = max(abs(row), abs(col), abs(self.rows - 1 - row), abs(self.cols - 1 - col))
        for radius in range(reach + 1):
            yield from self._ring(row, col, radius)

    def _ring(self, row: int, col: int, radius: int) -> Iterator[tuple[int, int]]:
        left, right = max(col - radius, 0), min(col + radius, self.cols - 1)
        for r in range(max(row - radius, 0), min(row + radius, self.rows - 1) + 1):
            whole = abs(r - row) == radius
            cols = range(left, right + 1) if whole else {col - radius, col + radius}
            yield from ((r, c) for c in sorted(cols) if self.holds(r, c))
