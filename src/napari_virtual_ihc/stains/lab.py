"""Colours in CIELAB, and giving a picture the colours of others (Reinhard et al. 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

CIELAB = "CIELAB of sRGB, white D65"
"""What the numbers of `LabStatistics` are, in words."""
CHANNELS = ("L*", "a*", "b*")
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _TO_XYZ.sum(axis=1)
_KNEE = 6 / 29
_LEAST_DEVIATION = 1e-3


@dataclass(frozen=True)
class LabStatistics:
    """Mean and standard deviation of L* (0 to 100), a* and b* over pixels."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def to_lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return CIELAB of sRGB pixels, (…, 3)."""
    light = rgb / 255.0
    linear = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    share = linear @ _TO_XYZ.T / _WHITE
    bent = np.where(share > _KNEE**3, np.cbrt(share), share / (3 * _KNEE**2) + 4 / 29)
    x, y, z = bent[..., 0], bent[..., 1], bent[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def from_lab(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return sRGB of CIELAB pixels, (…, 3), rounded; colours it has not are cut off."""
    y = (lab[..., 0] + 16) / 116
    bent = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    share = np.where(bent > _KNEE, bent**3, 3 * _KNEE**2 * (bent - 4 / 29))
    linear = np.clip((share * _WHITE) @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    light = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: NDArray[np.uint8] = np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
    return colours


def lab_statistics(pixels: Iterable[NDArray[np.uint8]]) -> LabStatistics:
    """Return the statistics of all pixels of several arrays (…, 3) together.

    Raises
    ------
    DataError
        If there is no pixel.
    """
    count, total, squares = 0, np.zeros(3), np.zeros(3)
    for part in pixels:
        lab = to_lab(part.reshape(-1, 3))
        count += len(lab)
        total += lab.sum(axis=0)
        squares += (lab**2).sum(axis=0)
    if not count:
        raise DataError("Colour statistics need at least one pixel.")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return LabStatistics(_three(mean), _three(std))


def reinhard(
    rgb: NDArray[np.uint8], source: LabStatistics, target: LabStatistics
) -> NDArray[np.uint8]:
    """Return pixels whose colours, those of ``source``, are moved to those of ``target``.

    (v − μ_source) · σ_target / σ_source + μ_target in each channel of CIELAB. The statistics are
    given, not taken from ``rgb``, so that a part of a slide is changed as the whole.
    """
    scale = np.divide(target.std, np.maximum(source.std, _LEAST_DEVIATION))
    return from_lab((to_lab(rgb) - np.array(source.mean)) * scale + np.array(target.mean))


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
