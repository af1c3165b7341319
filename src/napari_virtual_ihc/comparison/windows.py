"""Sums over windows anchored to the slide, exact in integers: in whatever tile, the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """How a map lies on the pixels it is made from.

    Attributes
    ----------
    mpp
        Scale of the pixels, µm/px.
    cell
        Side of one value of the map, px.
    radius
        A value looks at a window of 2 · ``radius`` + 1 cells a side.
    reach
        Cells beyond the window that filters of single pixels may look at.
    """

    mpp: float = 1.0
    cell: int = 16
    radius: int = 2
    reach: int = 1

    @property
    def cell_um(self) -> float:
        """Side of one value of the map, µm."""
        return self.cell * self.mpp

    @property
    def window_um(self) -> float:
        """Side of the window that a value looks at, µm."""
        return (2 * self.radius + 1) * self.cell_um

    @property
    def margin(self) -> int:
        """Pixels that are needed around a map on each side."""
        return (self.radius + self.reach) * self.cell

    def window(self, values: NDArray[Any]) -> Whole:
        """Return sums of integers over each window: pixels (…, h, w) to values (…, rows, columns).

        Parameters
        ----------
        values
            Of the map and its margin.
        """
        return self.window_of(trimmed(values, self.reach * self.cell))

    def window_of(self, values: NDArray[Any]) -> Whole:
        """Return the same of values without the margin that filters need."""
        return box_sum(cell_sum(values, self.cell), self.radius)

    def cells(self, values: NDArray[Any]) -> Whole:
        """Return sums of integers over each cell of the map itself."""
        return cell_sum(trimmed(values, self.margin), self.cell)

    def around(self, pixels: int) -> int:
        """Return the margin to take off values that a filter of ``pixels`` to each side shrank."""
        return self.reach * self.cell - pixels

    @property
    def count(self) -> int:
        """Pixels in a window."""
        return ((2 * self.radius + 1) * self.cell) ** 2


def trimmed(values: NDArray[Any], margin: int) -> NDArray[Any]:
    """Return (…, h, w) without a margin of its last two axes."""
    h, w = values.shape[-2:]
    return values[..., margin : h - margin, margin : w - margin]


def cell_sum(values: NDArray[Any], cell: int) -> Whole:
    """Return sums of integers over whole cells, (…, h, w) to (…, h // cell, w // cell)."""
    *rest, h, w = values.shape
    rows, columns = h // cell, w // cell
    whole = values[..., : rows * cell, : columns * cell].reshape(*rest, rows, cell, columns, cell)
    sums: Whole = whole.sum(axis=(-3, -1), dtype=np.int64)
    return sums


def box_sum(values: NDArray[Any], radius: int) -> Whole:
    """Return sums of integers over (2 r + 1)² neighbours, smaller by r on each side."""
    padded = np.zeros((*values.shape[:-2], values.shape[-2] + 1, values.shape[-1] + 1), np.int64)
    padded[..., 1:, 1:] = values.astype(np.int64).cumsum(axis=-2).cumsum(axis=-1)
    side = 2 * radius + 1
    down = padded[..., side:, :] - padded[..., :-side, :]
    sums: Whole = down[..., side:] - down[..., :-side]
    return sums
