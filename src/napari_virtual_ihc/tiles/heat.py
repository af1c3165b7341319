"""Numbers as colours: maps over tissue in palettes that colour-blind readers can order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.producer import Pixels

_ANCHORS = {
    "viridis": ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30",
                "fde725"),
    "cividis": ("00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bcae6c", "dfca52",
                "fee838"),
    "PuOr": ("7f3b08", "b35806", "e08214", "fdb863", "f7f7f7", "b2abd2", "8073ac", "542788",
             "2d004b"),
}  # fmt: skip
"""Colours at nine even places; the lightness of the first two rises evenly, PuOr has two sides."""
_STEPS = 256


@dataclass(frozen=True)
class HeatScale:
    """What the colours of a map mean.

    Attributes
    ----------
    name, title, unit
        How it is called in files, on screen (such as ``"Spread over 3 seeds"``), and in what it is
        told (such as ``"DAB OD"``).
    low, high
        Values of the first and the last colour; what lies beyond takes these.
    colormap
        ``viridis``, ``cividis``, or ``PuOr`` for signed values.
    formula
        How a value comes about, in one line.
    classes
        Words and RGB of each class, for a map whose colours are no scale.
    """

    name: str
    title: str
    unit: str
    low: float
    high: float
    colormap: str
    formula: str
    classes: tuple[tuple[str, tuple[int, int, int]], ...] = ()


def palette(name: str) -> NDArray[np.uint8]:
    """Return the colours of a map from low to high, (256, 3); raises KeyError if it is unknown."""
    anchors = np.array([list(bytes.fromhex(one)) for one in _ANCHORS[name]], np.float64)
    at, places = np.linspace(0, 1, _STEPS), np.linspace(0, 1, len(anchors))
    channels = [np.interp(at, places, anchors[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


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
    pixels[..., :3] = palette(scale.colormap)[index]
    pixels[..., 3] = 255
    pixels[~known] = 0
    return pixels
