"""Counter-based randomness: every number is a function of a key and integer coordinates.

Smooth fields are cubic B-splines over hashed lattice values (value noise). Evaluation uses sparse
products only, which run in one thread and in a fixed order, so the same grid gives the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BSPLINE_GAIN = np.sqrt(12.0) / (151.0 / 315.0)
_ODD = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93)
_K0, _K1, _K2, _K3 = (np.uint64(odd) for odd in _ODD)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_MASK = 2**64 - 1


@dataclass(frozen=True)
class Grid:
    """Sample points at ``origin + (index + 0.5) · step`` in µm."""

    y: float
    x: float
    rows: int
    cols: int
    step: float

    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the µm coordinates of rows and of columns."""
        return _axis(self.y, self.rows, self.step), _axis(self.x, self.cols, self.step)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.cols


def _axis(origin: float, count: int, step: float) -> NDArray[np.float64]:
    return np.asarray(origin + (np.arange(count) + 0.5) * step, np.float64)


def mix(*parts: NDArray[np.int64] | NDArray[np.uint64] | int) -> NDArray[np.uint64]:
    """Hash integers and integer arrays (broadcast together) to uniform 64-bit words.

    Parts are absorbed one after the other, each followed by the SplitMix64 finaliser.
    """
    word: NDArray[np.uint64] | int = 0
    for index, part in enumerate(parts):
        if isinstance(part, int) and isinstance(word, int):
            word = _scramble_int(word * _ODD[3] + (part & _MASK) * _ODD[0] + index)
        elif isinstance(part, int):
            salt = np.uint64(((part & _MASK) * _ODD[0] + index) & _MASK)
            word = _scramble(np.asarray(word * _K3 + salt, np.uint64))
        else:
            before = _absorbed(word, index)
            word = _scramble(np.asarray(part).astype(np.uint64) * _K0 + before)
    return np.atleast_1d(np.asarray(word, np.uint64))


def _absorbed(word: NDArray[np.uint64] | int, index: int) -> NDArray[np.uint64]:
    if isinstance(word, int):
        return np.asarray((word * _ODD[3] + index) & _MASK, np.uint64)
    return np.asarray(word * _K3 + np.uint64(index), np.uint64)


def uniform(*parts: NDArray[np.int64] | NDArray[np.uint64] | int) -> NDArray[np.float64]:
    """Return uniform numbers in [0, 1) keyed by integers."""
    return (mix(*parts) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(*parts: NDArray[np.int64] | NDArray[np.uint64] | int) -> NDArray[np.float64]:
    """Return standard normal numbers keyed by integers (Box-Muller)."""
    radius = np.sqrt(-2.0 * np.log1p(-uniform(*parts, 1)))
    return radius * np.cos(2.0 * np.pi * uniform(*parts, 2))


def _scramble_int(word: int) -> int:
    word &= _MASK
    word = ((word ^ (word >> 30)) * _ODD[1]) & _MASK
    word = ((word ^ (word >> 27)) * _ODD[2]) & _MASK
    return word ^ (word >> 31)


def _scramble(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> _S30)) * _K1
    word = (word ^ (word >> _S27)) * _K2
    return word ^ (word >> _S31)


def smooth(key: int, grid: Grid, scale: float) -> NDArray[np.float32]:
    """Return a smooth field of zero mean and unit variance with lattice spacing ``scale`` µm.

    Where the grid is coarser than that, its step takes the place of ``scale``.
    """
    scale = max(scale, grid.step)
    first_y, along_y = _spline_matrix(grid.y, grid.rows, grid.step, scale)
    first_x, along_x = _spline_matrix(grid.x, grid.cols, grid.step, scale)
    iy = first_y + np.arange(along_y.shape[1], dtype=np.int64)[:, None]
    ix = first_x + np.arange(along_x.shape[1], dtype=np.int64)[None, :]
    values = ((uniform(key, iy, ix) - 0.5) * _BSPLINE_GAIN).astype(np.float32)
    return apply_axes(along_y, values, along_x)


def smooth_at(
    key: int, y: NDArray[np.float64], x: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """Return the field of :func:`smooth` at scattered points (µm)."""
    iy, wy = _spline_weights(y / scale)
    ix, wx = _spline_weights(x / scale)
    tap = np.arange(4, dtype=np.int64)
    values = uniform(key, (iy[:, None] + tap)[:, :, None], (ix[:, None] + tap)[:, None, :]) - 0.5
    total: NDArray[np.float64] = np.einsum("nij,ni,nj->n", values, wy, wx) * _BSPLINE_GAIN
    return total


def apply_axes(
    along_y: csr_array, values: NDArray[np.float32], along_x: csr_array
) -> NDArray[np.float32]:
    """Return ``along_y @ values @ along_x.T``, C-contiguous, single-threaded."""
    half = np.ascontiguousarray((along_x @ np.ascontiguousarray(values.T)).T)
    result: NDArray[np.float32] = along_y @ half
    return result


def linear_matrix(points: NDArray[np.float64], count: int) -> csr_array:
    """Return the matrix that interpolates ``count`` samples linearly at ``points`` (indices)."""
    clipped = np.clip(points, 0, count - 1)
    first = np.minimum(clipped.astype(np.int64), max(count - 2, 0))
    part = clipped - first
    return _rows_matrix(first, np.stack([1 - part, part], 1), count)


def line_noise(key: int, phase: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1-D noise of zero mean and unit variance, of period 4096, at ``phase``."""
    table = normal(np.arange(4096, dtype=np.int64), key).astype(np.float32)
    floor = np.floor(phase)
    part = phase - floor
    index = floor.astype(np.int32) & 4095
    low, high = table.take(index), table.take((index + 1) & 4095)
    blend = part * part * (3 - 2 * part)
    result: NDArray[np.float32] = (low + (high - low) * blend) * np.float32(1.2)
    return result


def _spline_weights(t: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    base = np.floor(t).astype(np.int64)
    f = t - base
    weights = np.stack(
        [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]
    )
    return base - 1, weights.T / 6.0


@lru_cache(maxsize=1024)
def _spline_matrix(origin: float, count: int, step: float, scale: float) -> tuple[int, csr_array]:
    base, weights = _spline_weights(_axis(origin, count, step) / scale)
    first = int(base[0])
    return first, _rows_matrix(base - first, weights, int(base[-1]) - first + 4)


def _rows_matrix(first: NDArray[np.int64], weights: NDArray[np.float64], count: int) -> csr_array:
    rows, taps = weights.shape
    columns = np.minimum(first[:, None] + np.arange(taps), count - 1).ravel()
    starts = np.arange(rows + 1) * taps
    return csr_array((weights.astype(np.float32).ravel(), columns, starts), shape=(rows, count))
