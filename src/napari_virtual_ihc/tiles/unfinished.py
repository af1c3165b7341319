"""How a tile that is still being made is shown: seen at once not to be finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.producer import Pixels

_ALPHA = 190
_DASH = 12
_WIDTH = 2
_INK = np.array([70, 70, 70, 255], np.uint8)


def marked_unfinished(tile: Pixels) -> Pixels:
    """Return a tile (h, w, 4) through which what lies below shines, with a dashed border."""
    marked = tile.copy()
    marked[..., 3] = np.minimum(marked[..., 3], _ALPHA)
    rows, cols = np.indices(tile.shape[:2])
    from_top_left, from_bottom_right = np.minimum(rows, cols), np.minimum(rows, cols)[::-1, ::-1]
    edge = np.minimum(from_top_left, from_bottom_right) < _WIDTH
    dashes = edge & ((rows + cols) % (2 * _DASH) < _DASH)
    marked[dashes] = _INK
    return marked
