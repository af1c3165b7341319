"""Which pixels of a picture lie inside a region, and the rest made pale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.squares import Box

    Rgb = NDArray[np.uint8]
    Ring = NDArray[np.float64]

_KEPT = 0.3


def pale_outside(pixels: Rgb, rings: Sequence[Ring], box: Box, mpp: float) -> Rgb:
    """Return a picture of which only the inside of a region has its full colour.

    Parameters
    ----------
    pixels
        (h, w, 3) of ``box`` at ``mpp`` µm/px.
    rings
        Outlines and holes, (n, 2) each, (y, x) in µm; none for all of it.
    box, mpp
        What the picture shows.
    """
    if not rings:
        return pixels
    pale = np.uint8(255) - ((np.uint8(255) - pixels) * _KEPT).astype(np.uint8)
    return np.where(inside(pixels.shape[:2], rings, box, mpp)[..., None], pixels, pale)


def inside(
    shape: tuple[int, ...], rings: Sequence[Ring], box: Box, mpp: float
) -> NDArray[np.bool_]:
    """Return which pixels an odd number of rings holds, (h, w)."""
    h, w = shape
    held = np.zeros((h, w), np.bool_)
    for ring in rings:
        mask = Image.new("1", (w, h))
        corners = (ring[:, ::-1] - (box.x, box.y)) / mpp - 0.5
        ImageDraw.Draw(mask).polygon([tuple(corner) for corner in corners.tolist()], fill=1)
        held ^= np.asarray(mask)
    return held
