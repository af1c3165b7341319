"""Optical density: light that a stain takes away, additive in the amount of stain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TABLE = -np.log10((np.arange(256, dtype=np.float64) + 1) / 256).astype(np.float32)


def to_od(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the optical density −log10((I + 1) / 256) of each channel (Beer–Lambert).

    Parameters
    ----------
    rgb
        uint8 values, any shape.

    Returns
    -------
    float32 array of the same shape, 0 (glass) to 2.41 (black).
    """
    return _TABLE[rgb]


def from_od(od: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the colour of an optical density, rounded to uint8; the inverse of `to_od`."""
    intensity = 256 * np.power(10.0, -np.asarray(od, dtype=np.float32)) - 1
    colour: NDArray[np.uint8] = np.clip(np.rint(intensity), 0, 255).astype(np.uint8)
    return colour
