"""Sums over windows anchored to the slide, exact in integers: in whatever tile, the same bytes.

Pixels count the more, the nearer they are to the middle: a window that ends at once tells where
something happens to its own size only.
"""

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
        A value looks at a window of 2 · ``radius`` + 1 cells a side, whose cells weigh
        1, 2, …, ``radius`` + 1, …, 2, 1 along each.
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
    def window_words(self) -> str:
        """What a value looks at, such as ``window 80 µm, tapered``."""
        return f"window {self.window_um:g} µm" + (", tapered" if self.radius else "")

    @property
    def margin(self) -> int:
        """Pixels that are needed around a map on each side."""
        return (self.radius + self.reach) * self.cell

    def window(self, values: NDArray[Any]) -> Whole:
        """Return weighted sums over each window: integers (…, h, w) to (…, rows, columns).

        Parameters
        ----------
        values
            Of the map and its margin.
        """
        return self.window_of(trimmed(values, self.reach * self.cell))

    def window_of(self, values: NDArray[Any]) -> Whole:
        """Return the same of values without the margin that filters need."""
        return self.window_of_cells(cell_sum(values, self.cell))

    def window_of_cells(self, sums: NDArray[Any]) -> Whole:
        """Return the same of sums over cells, of the map and ``radius`` cells around it."""
        return _run_sum(_run_sum(sums, self.radius + 1), self.radius + 1)

    def cells(self, values: NDArray[Any]) -> Whole:
        """Return sums of integers over each cell of the map itself."""
        return cell_sum(trimmed(values, self.margin), self.cell)

    def around(self, pixels: int) -> int:
        """Return the margin to take off values that a filter of ``pixels`` to each side shrank."""
        return self.reach * self.cell - pixels

    @property
    def count(self) -> int:
        """Weights of a window's pixels, summed."""
        return ((self.radius + 1) ** 2 * self.cell) ** 2

    @property
    def pixels(self) -> float:
        """Pixels of equal weight that say as much as a window's (Kish 1965): (Σw)² / Σw²."""
        side = self.radius + 1
        squares = side * (2 * side**2 + 1) / 3
        return (side**4 / squares * self.cell) ** 2


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
    return _run_sum(values, 2 * radius + 1)


def _run_sum(values: NDArray[Any], side: int) -> Whole:
    """Return sums of integers over ``side``² neighbours, smaller by ``side`` − 1."""
    padded = np.zeros((*values.shape[:-2], values.shape[-2] + 1, values.shape[-1] + 1), np.int64)
    padded[..., 1:, 1:] = values.astype(np.int64).cumsum(axis=-2).cumsum(axis=-1)
    down = padded[..., side:, :] - padded[..., :-side, :]
    sums: Whole = down[..., side:] - down[..., :-side]
    return sums
