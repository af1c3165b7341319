"""Visual information fidelity in the pixel domain (Sheikh and Bovik 2006)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import correlate1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LUMINANCE = np.array([0.299, 0.587, 0.114])
_NOISE = 2.0
_SCALES = (17, 9, 5, 3)
_EPS = 1e-10


@dataclass
class Vif:
    """Mean VIF over pairs of a picture and its reference, streaming."""

    _values: list[float] = field(default_factory=list)

    protocol = (
        "VIF/pixel: luminance 0 to 255, 4 scales, Gaussian windows of 17, 9, 5, 3 px, noise "
        "variance 2, reference the real IHC; mean over pictures that have contrast"
    )

    def update(self, picture: NDArray[np.uint8], reference: NDArray[np.uint8]) -> None:
        """Add a pair of (h, w, 3); raises as `vif` does. A flat reference is counted as none."""
        value = vif(picture, reference)
        if np.isfinite(value):
            self._values.append(value)

    def merge(self, other: Vif) -> None:
        """Add what ``other`` has seen."""
        self._values = [*self._values, *other._values]

    @property
    def count(self) -> int:
        """Pairs that count."""
        return len(self._values)

    def compute(self) -> float:
        """Return the mean; nan where nothing was seen."""
        return float(np.mean(self._values)) if self._values else float("nan")


def vif(picture: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Return the share of the reference's information that is in ``picture``.

    1 for the same picture, above 1 where contrast was added, nan where the reference is flat.

    Parameters
    ----------
    picture, reference
        (h, w, 3), sides from 41 px.

    Raises
    ------
    ValueError
        If the shapes differ, or a side is too short for four scales.
    """
    if picture.shape != reference.shape:
        raise ValueError(f"Shapes {picture.shape} and {reference.shape} differ.")
    if min(reference.shape[:2]) < 41:
        raise ValueError(f"VIF needs sides of 41 px or more, not {reference.shape[:2]}.")
    ours, real = picture @ _LUMINANCE, reference @ _LUMINANCE
    kept, whole = 0.0, 0.0
    for scale, size in enumerate(_SCALES):
        if scale:
            ours, real = (_window_mean(plane, size)[::2, ::2] for plane in (ours, real))
        here = _information(ours, real, size)
        kept, whole = kept + here[0], whole + here[1]
    return kept / whole if whole > 0 else float("nan")


def _information(
    ours: NDArray[np.float64], real: NDArray[np.float64], size: int
) -> tuple[float, float]:
    """Return what ``ours`` tells of ``real`` at one scale, and what there is to tell."""
    mean_ours, mean_real = _window_mean(ours, size), _window_mean(real, size)
    var_real = np.maximum(_window_mean(real * real, size) - mean_real**2, 0)
    var_ours = np.maximum(_window_mean(ours * ours, size) - mean_ours**2, 0)
    shared = _window_mean(real * ours, size) - mean_real * mean_ours
    gain = shared / (var_real + _EPS)
    rest = var_ours - gain * shared
    flat = var_real < _EPS
    gain, rest, var_real = (
        np.where(flat, 0, gain),
        np.where(flat, var_ours, rest),
        np.where(flat, 0, var_real),
    )
    empty = var_ours < _EPS
    gain, rest = np.where(empty, 0, gain), np.where(empty, 0, rest)
    inverse = gain < 0
    gain, rest = np.where(inverse, 0, gain), np.where(inverse, var_ours, rest)
    rest = np.maximum(rest, _EPS)
    kept = np.log10(1 + gain**2 * var_real / (rest + _NOISE)).sum()
    return float(kept), float(np.log10(1 + var_real / _NOISE).sum())


def _window_mean(plane: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return Gaussian means of σ = size / 5 over windows that lie within the plane."""
    reach = size // 2
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (size / 5)) ** 2)
    weights /= weights.sum()
    blurred = correlate1d(correlate1d(plane, weights, axis=0), weights, axis=1)
    inside: NDArray[np.float64] = blurred[reach:-reach, reach:-reach]
    return inside
