"""Points and fields: reading a grid at points, thinning what lies too close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_virtual_ihc.slides.phantom.noise import uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.noise import Grid


class Sampler:
    """Reads fields of a grid at points by linear interpolation."""

    def __init__(self, y: NDArray[np.float64], x: NDArray[np.float64], grid: Grid) -> None:
        at_y = np.clip((y - grid.y) / grid.step - 0.5, 0, grid.rows - 1.001)
        at_x = np.clip((x - grid.x) / grid.step - 0.5, 0, grid.cols - 1.001)
        row, col = at_y.astype(np.intp), at_x.astype(np.intp)
        self._first, self._row = row * grid.cols + col, grid.cols
        self._down, self._right = at_y - row, at_x - col

    def __call__(self, field: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the field's values at the points."""
        flat, first = field.ravel(), self._first
        top = flat[first] + (flat[first + 1] - flat[first]) * self._right
        first = first + self._row
        low = flat[first] + (flat[first + 1] - flat[first]) * self._right
        return np.asarray(top + (low - top) * self._down, np.float64)

    def direction(self, phase: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the angle (rad) of the contour line of ``phase``."""
        dy, dx = (np.asarray(part, np.float32) for part in np.gradient(phase))
        angle: NDArray[np.float64] = np.arctan2(self(dy), self(dx)) + np.pi / 2
        return angle


def in_grid(y: NDArray[np.float64], x: NDArray[np.float64], grid: Grid) -> NDArray[np.bool_]:
    """Return which points (µm) lie within the extent of a grid."""
    bottom, right = grid.y + grid.rows * grid.step, grid.x + grid.cols * grid.step
    return (y >= grid.y) & (y < bottom) & (x >= grid.x) & (x < right)


def within(
    cells: NDArray[np.void], y: float, x: float, side: float, reach: float
) -> NDArray[np.void]:
    """Return the cells of a square of ``side`` µm at (y, x), widened by ``reach``."""
    inside = (cells["y"] >= y - reach) & (cells["y"] < y + side + reach)
    inside &= (cells["x"] >= x - reach) & (cells["x"] < x + side + reach)
    return cells[inside]


def thin(
    cells: NDArray[np.void],
    radii: NDArray[np.float64],
    priority: NDArray[np.float64] | None = None,
) -> NDArray[np.void]:
    """Drop each cell that is too near one of higher priority (Matérn's second process)."""
    if len(cells) < 2:
        return cells
    rank = uniform(cells["id"], 41) if priority is None else priority
    tree = cKDTree(np.stack([cells["y"], cells["x"]], 1))
    pairs = tree.query_pairs(2 * float(radii.max()), output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    gap = np.hypot(cells["y"][a] - cells["y"][b], cells["x"][a] - cells["x"][b])
    close = gap < radii[a] + radii[b]
    a, b = a[close], b[close]
    lower = np.where(rank[a] < rank[b], a, b)
    fixed = rank[lower] >= 2.0
    keep = np.ones(len(cells), bool)
    keep[lower[~fixed]] = False
    return cells[keep]
