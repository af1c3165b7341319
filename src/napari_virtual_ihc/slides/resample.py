"""Regions at any scale whose bytes depend on absolute position only.

The filter is Keys' cubic convolution (IEEE Trans. ASSP 29, 1981; a = -1/2), widened by the
downsampling factor so that it also removes what the coarser grid cannot hold. Output pixel
(i, j) of the grid at a scale has its centre at (i + 1/2, j + 1/2) output pixels from the slide's
top-left corner, so the taps of a pixel follow from i and j alone.

Weights are multiples of 2^-15 that sum to exactly 1. Rows are combined first: 8-bit pixels times
15-bit weights stay below 2^24, so every partial sum is exact in float32. Columns follow in
float64, below 2^41, again exact. Exact sums do not depend on their order, so any split of a
region, any BLAS and any machine give the same bytes. The result is rounded half up and clipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels

    Reader = Callable[[int, int, int, int], Pixels]
    _Band = tuple[int, int, int, int, NDArray[np.floating[Any]]]

_ONE = 1 << 15
_BLOCK = 32
_SAME = 1e-6


@dataclass(frozen=True)
class _Axis:
    """Output positions of one axis: tap positions and integer weights, both (n, taps)."""

    positions: NDArray[np.int64]
    weights: NDArray[np.int64]


def resample(
    read: Reader,
    shape: tuple[int, int],
    origin: tuple[int, int],
    size: tuple[int, int],
    scale: float,
) -> Pixels:
    """Return part of the output grid made from one level.

    Parameters
    ----------
    read
        ``read(y, x, h, w)`` gives uint8 (h, w, 3) and bool (h, w) inside the level.
    shape
        Height and width of the level in px.
    origin
        Row and column, on the output grid, of the first pixel; may be negative.
    size
        Height and width of the output in px.
    scale
        Level px per output px, over 0. Within 1e-6 of 1 pixels are copied.

    Returns
    -------
    tuple
        uint8 RGB of shape (h, w, 3) and bool of shape (h, w): a pixel is valid if all its taps
        are. Beyond the border the level is mirrored at its edge, however far.
    """
    rows = _axis(origin[0], size[0], scale)
    cols = _axis(origin[1], size[1], scale)
    pixels, valid = _window(read, shape, _span(rows), _span(cols))
    if abs(scale - 1) < _SAME:
        return pixels, valid
    rows, cols = _from_start(rows), _from_start(cols)
    out = _filter_cols(_filter_rows(pixels, rows), cols)
    good = valid.all() or None
    return out, np.ones(size, np.bool_) if good else ~_touched(~valid, rows, cols)


def _axis(start: int, count: int, scale: float) -> _Axis:
    index = np.arange(start, start + count, dtype=np.int64)
    if abs(scale - 1) < _SAME:
        return _Axis(index[:, None], np.full((count, 1), _ONE, np.int64))
    stretch = max(scale, 1.0)
    centre = (index + 0.5) * scale - 0.5
    reach = math.ceil(2 * stretch)
    positions = np.floor(centre).astype(np.int64)[:, None] + np.arange(-reach + 1, reach + 1)
    return _Axis(positions, _whole(_cubic((positions - centre[:, None]) / stretch)))


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _whole(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    total = np.zeros(len(weights))
    for tap in weights.T:
        total += tap
    whole = np.rint(weights * (_ONE / total)[:, None]).astype(np.int64)
    peak = whole.argmax(axis=1)
    whole[np.arange(len(whole)), peak] += _ONE - whole.sum(axis=1)
    return whole


def _span(axis: _Axis) -> tuple[int, int]:
    return int(axis.positions[0, 0]), int(axis.positions[-1, -1]) + 1


def _from_start(axis: _Axis) -> _Axis:
    return _Axis(axis.positions - axis.positions[0, 0], axis.weights)


def mirrored(start: int, stop: int, length: int) -> NDArray[np.int64]:
    """Return the positions 0..length-1 that ``start..stop-1`` fall on when mirrored at the edge."""
    index = np.arange(start, stop, dtype=np.int64) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def _window(
    read: Reader, shape: tuple[int, int], rows: tuple[int, int], cols: tuple[int, int]
) -> Pixels:
    inside = rows[0] >= 0 and cols[0] >= 0 and rows[1] <= shape[0] and cols[1] <= shape[1]
    if inside:
        return read(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
    y, x = mirrored(*rows, shape[0]), mirrored(*cols, shape[1])
    top, left = int(y.min()), int(x.min())
    pixels, valid = read(top, left, int(y.max()) + 1 - top, int(x.max()) + 1 - left)
    y, x = y - top, x - left
    return pixels[y][:, x], valid[y][:, x]


def _filter_rows(pixels: NDArray[np.uint8], axis: _Axis) -> NDArray[np.float32]:
    height, width, bands = pixels.shape
    source = pixels.reshape(height, width * bands)
    out = np.empty((len(axis.positions), width * bands), np.float32)
    for first, last, low, high, matrix in _bands(axis, np.float32):
        np.matmul(matrix, source[low:high].astype(np.float32), out=out[first:last])
    return out.reshape(-1, width, bands)


def _filter_cols(rows: NDArray[np.float32], axis: _Axis) -> NDArray[np.uint8]:
    height, _, bands = rows.shape
    source = np.ascontiguousarray(rows.transpose(1, 0, 2)).reshape(-1, height * bands)
    out = np.empty((len(axis.positions), height * bands), np.uint8)
    for first, last, low, high, matrix in _bands(axis, np.float64):
        sums = matrix @ source[low:high].astype(np.float64)
        np.floor(sums / _ONE**2 + 0.5, out=sums)
        out[first:last] = np.clip(sums, 0, 255, out=sums)
    return np.ascontiguousarray(out.reshape(-1, height, bands).transpose(1, 0, 2))


def _bands(axis: _Axis, dtype: type[np.floating[Any]]) -> list[_Band]:
    """Return blocks of outputs with the dense matrix that makes each from the taps it spans."""
    bands = []
    for first in range(0, len(axis.positions), _BLOCK):
        positions = axis.positions[first : first + _BLOCK]
        low, high = int(positions[0, 0]), int(positions[-1, -1]) + 1
        matrix = np.zeros((len(positions), high - low), dtype)
        np.put_along_axis(matrix, positions - low, axis.weights[first : first + _BLOCK], axis=1)
        bands.append((first, first + len(positions), low, high, matrix))
    return bands


def _touched(bad: NDArray[np.bool_], rows: _Axis, cols: _Axis) -> NDArray[np.bool_]:
    down = _any(bad, rows)
    return np.ascontiguousarray(_any(np.ascontiguousarray(down.T), cols).T)


def _any(bad: NDArray[np.bool_], axis: _Axis) -> NDArray[np.bool_]:
    uses = _Axis(axis.positions, (axis.weights != 0).astype(np.int64))
    out = np.empty((len(uses.positions), bad.shape[1]), np.bool_)
    for first, last, low, high, matrix in _bands(uses, np.float32):
        out[first:last] = matrix @ bad[low:high].astype(np.float32) > 0
    return out
