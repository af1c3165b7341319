"""Numbers as colours: maps over tissue in one palette that colour-blind readers can order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.producer import Pixels

_VIRIDIS = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
    (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
)  # fmt: skip
"""Viridis at nine even places (van der Walt and Smith, CC0); its lightness rises evenly."""
_STEPS = 256


@dataclass(frozen=True)
class HeatScale:
    """What the colours of a map mean.

    Attributes
    ----------
    title
        Such as ``"Spread over 3 seeds"``.
    unit
        Such as ``"DAB OD"``; empty for none.
    low, high
        Values of the first and the last colour; what lies beyond takes these.
    formula
        How the number comes about, in one line.
    """

    title: str
    unit: str
    low: float
    high: float
    formula: str


def palette() -> NDArray[np.uint8]:
    """Return the colours from low to high, (256, 3)."""
    stops = np.array(_VIRIDIS, np.float64)
    places = np.linspace(0, len(stops) - 1, _STEPS)
    channels = [np.interp(places, np.arange(len(stops)), stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def coloured(values: NDArray[np.floating], scale: HeatScale, shown: NDArray[np.bool_]) -> Pixels:
    """Return a map as RGBA.

    Parameters
    ----------
    values
        (h, w); nan is clear.
    shown
        (h, w), where there is something to tell.
    """
    known = shown & np.isfinite(values)
    share = (np.where(known, values, scale.low) - scale.low) / (scale.high - scale.low)
    index = (np.clip(share, 0, 1) * (_STEPS - 1)).round().astype(np.intp)
    pixels = np.zeros((*values.shape, 4), np.uint8)
    pixels[..., :3] = palette()[index]
    pixels[..., 3] = 255
    pixels[~known] = 0
    return pixels
