"""The pattern of pixels that could not be made or read: seen at once, never taken for tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.producer import Pixels

_PERIOD = 16
_STRIPE = np.array([200, 30, 120, 255], np.uint8)
_GAP = np.array([225, 225, 225, 150], np.uint8)


def hatch(y: int, x: int, height: int, width: int) -> Pixels:
    """Return diagonal stripes, uint8 (height, width, 4), that continue across neighbouring boxes.

    Parameters
    ----------
    y, x
        Position of the top-left pixel in its level.
    height, width
        Size in pixels.
    """
    diagonal = np.add.outer(np.arange(y, y + height), np.arange(x, x + width))
    stripes = diagonal % _PERIOD < _PERIOD // 4
    return np.where(stripes[..., None], _STRIPE, _GAP)
