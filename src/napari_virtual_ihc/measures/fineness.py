"""How fine a texture is: what blur and a wrong scale change, and colours do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

REACH = 4
"""Pixels that a gradient energy needs on every side."""
_FINE, _COARSE = 1, 3
PROTOCOL = (
    "logarithm of the ratio of gradient energies of brightness after one and after three passes "
    "of the binomial filter 1-2-1, over the tissue of windows of 160 px"
)
WINDOW_PX = 160


def gradient_energies(rgb: NDArray[np.uint8]) -> tuple[Whole, Whole]:
    """Return squared gradients of brightness, finely and coarsely filtered, exact integers.

    Parameters
    ----------
    rgb
        (h + 8, w + 8, 3) uint8.

    Returns
    -------
    tuple
        (h, w) each; units cancel in `fineness`.
    """
    passed = rgb.astype(np.int64).sum(axis=-1)
    found = {}
    for count in range(1, _COARSE + 1):
        passed = _binomial(passed)
        found[count] = passed
    fine, coarse = (_energy(found[count], REACH - count) for count in (_FINE, _COARSE))
    return fine, coarse


def fineness(fine: NDArray[np.integer], coarse: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the log ratio of sums of both energies; 0 where the coarse one is nothing.

    A picture as sharp as a scanner's at its own scale has about 0.5, a blurred one less.
    """
    gain = 16.0 ** (2 * (_COARSE - _FINE))
    known = (coarse > 0) & (fine > 0)
    ratio = np.where(known, fine, 1) * gain / np.where(known, coarse, gain)
    return np.asarray(np.log(ratio), np.float64)


def _binomial(values: Whole) -> Whole:
    """Return values filtered by 1-2-1 both ways (times 16), a pixel less on every edge."""
    rows = values[:-2] + 2 * values[1:-1] + values[2:]
    both: Whole = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
    return both


def _energy(values: Whole, around: int) -> Whole:
    """Return squared forward differences without what lies around."""
    rows, columns = (slice(around, side - around + 1) for side in values.shape)
    inner = values[rows, columns]
    down, right = np.diff(inner, axis=0)[:, :-1], np.diff(inner, axis=1)[:-1]
    energy: Whole = down**2 + right**2
    return energy
