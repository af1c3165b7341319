"""Block matching: which small shift makes each block of the fixed picture match best.

After Ourselin et al., Image and Vision Computing 19, 2001 (serial sections), with normalised
cross-correlation by fast Fourier transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_TISSUE = 0.1
_LEAST_KNOWN = 0.8
_FLAT = 1e-3
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Blocks on a lattice and how well each matches at every shift.

    Attributes
    ----------
    centres
        Centre of each block in px of the grid, (n, 2), pixel corners at whole numbers.
    scores
        Correlation, (n, 2 reach + 1, 2 reach + 1), −1 to 1; the middle is no shift.
    seats
        Row and column of each block on the lattice, (n, 2).
    """

    centres: NDArray[np.float64]
    scores: NDArray[np.float32]
    seats: NDArray[np.intp]

    @property
    def reach(self) -> int:
        """Largest shift looked at, px."""
        return int(self.scores.shape[1]) // 2

    def unshifted(self) -> NDArray[np.float64]:
        """Return each block's correlation where it is, (n,)."""
        return self.scores[:, self.reach, self.reach].astype(np.float64)

    def best(
        self, towards: NDArray[np.float64], pull: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the shift (n, 2) in px at which each block matches best, and its score (n,).

        ``pull`` is what a shift ``reach`` away from ``towards`` (n, 2) costs in correlation. Raised
        step by step, with ``towards`` a smooth field through the shifts found before, it couples
        the blocks: Heinrich, Papież, Schnabel and Handels, WBIR 2014.
        """
        axis = np.arange(-self.reach, self.reach + 1)
        far = [(axis - towards[:, k, None]) ** 2 for k in (0, 1)]
        cost = pull / max(self.reach, 1) ** 2 * (far[0][:, :, None] + far[1][:, None, :])
        value = self.scores - cost.astype(np.float32)
        place = value.reshape(len(value), -1).argmax(axis=1)
        peak = np.column_stack(np.unravel_index(place, value.shape[1:]))
        fine = np.stack([_parabola(value, peak, axis) for axis in (0, 1)], axis=1)
        scores = self.scores[np.arange(len(value)), peak[:, 0], peak[:, 1]]
        return peak + fine - self.reach, scores.astype(np.float64)


def match_blocks(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    usable: NDArray[np.bool_],
    tissue: NDArray[np.bool_],
    block: int,
    step: int,
    reach: int,
) -> Surfaces:
    """Match every block that holds tissue at every shift.

    Parameters
    ----------
    fixed, moving
        Greys on one grid, (h, w).
    usable
        Where both are known.
    tissue
        Where the fixed picture shows tissue.
    block, step, reach
        Side of a block, distance between blocks, and largest shift, px.
    """
    span = 2 * reach + 1
    if min(fixed.shape) < block:
        return Surfaces(np.zeros((0, 2)), np.zeros((0, span, span), np.float32), _no_seats())
    windows = sliding_window_view(fixed, (block, block))[::step, ::step]
    wide = np.pad(moving, reach)
    around = sliding_window_view(wide, (block + 2 * reach,) * 2)[::step, ::step]
    spreads = sliding_window_view(spread_of(wide, block), (span, span))[::step, ::step]
    enough = _share(tissue, block, step) > _LEAST_TISSUE
    seats = np.argwhere(enough & (_share(usable, block, step) > _LEAST_KNOWN))
    scores = [
        correlations(windows[tuple(part.T)], around[tuple(part.T)], spreads[tuple(part.T)])
        for part in np.array_split(seats, max(-(-len(seats) // _BATCH), 1))
    ]
    centres = (seats * step + block / 2).astype(np.float64)
    return Surfaces(centres, np.concatenate(scores), seats)


def _no_seats() -> NDArray[np.intp]:
    return np.zeros((0, 2), np.intp)


def _share(mask: NDArray[np.bool_], block: int, step: int) -> NDArray[np.float64]:
    total = np.pad(mask.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    rows = np.arange(0, mask.shape[0] - block + 1, step)
    cols = np.arange(0, mask.shape[1] - block + 1, step)
    low, high = np.ix_(rows, cols), np.ix_(rows + block, cols + block)
    mixed = total[np.ix_(rows, cols + block)] + total[np.ix_(rows + block, cols)]
    share: NDArray[np.float64] = (total[low] + total[high] - mixed) / block**2
    return share


def correlations(
    blocks: NDArray[np.float32], around: NDArray[np.float32], spreads: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the correlation of each block at every place around it, 0 where either is flat.

    Parameters
    ----------
    blocks
        (n, b, b).
    around
        (n, s, s).
    spreads
        `spread_of` every place of ``around``, (n, s − b + 1, s − b + 1), the shape of the result.
    """
    block, size = blocks.shape[1], around.shape[1]
    places = size - block + 1
    centred = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    spread = np.sqrt((centred**2).sum(axis=(1, 2)))[:, None, None]
    spectra = fft.rfft2(around) * np.conj(fft.rfft2(centred, (size, size)))
    both = fft.irfft2(spectra, (size, size))[:, :places, :places]
    least = block * _FLAT
    below = np.maximum(spread, least) * np.maximum(spreads, least)
    result: NDArray[np.float32] = (both / below).astype(np.float32)
    return result


def spread_of(values: NDArray[np.float32], block: int) -> NDArray[np.float64]:
    """Return the root of the summed squares about the mean of every block of (h, w)."""
    square = _box(values.astype(np.float64) ** 2, block) - _box(values, block) ** 2 / block**2
    return np.asarray(np.sqrt(np.maximum(square, 0)), np.float64)


def _box(values: NDArray[np.floating], block: int) -> NDArray[np.float64]:
    total = np.pad(values.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    sums: NDArray[np.float64] = (
        total[block:, block:] - total[block:, :-block]
        - total[:-block, block:] + total[:-block, :-block]
    )  # fmt: skip
    return sums


def _parabola(
    scores: NDArray[np.float32], peak: NDArray[np.intp], axis: int
) -> NDArray[np.float64]:
    """Return the top of the parabola through a peak and its neighbours, −1/2 to 1/2 px off."""
    index = np.arange(len(scores))
    last = scores.shape[1 + axis] - 1
    inner = (peak[:, axis] > 0) & (peak[:, axis] < last)
    side = np.zeros(2, np.intp)
    side[axis] = 1
    middle = np.clip(peak, side, [n - 1 - s for n, s in zip(scores.shape[1:], side, strict=True)])
    before, at, after = (
        scores[index, middle[:, 0] + k * side[0], middle[:, 1] + k * side[1]].astype(np.float64)
        for k in (-1, 0, 1)
    )
    bend = before - 2 * at + after
    top = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, -1), 0.0)
    return np.where(inner, np.clip(top, -0.5, 0.5), 0.0)
