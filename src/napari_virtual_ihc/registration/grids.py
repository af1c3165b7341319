"""Views on the fixed section's grid: pixel centres in µm, and the moving view seen there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.registration.view import View

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.affine import Points
    from napari_virtual_ihc.registration.mapping import Mapping


def centres(shape: tuple[int, int], mpp: float) -> Points:
    """Return the centres of a grid's pixels in µm, (h, w, 2)."""
    axes = ((np.arange(n) + 0.5) * mpp for n in shape)
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def seen_from(fixed: View, moving: View, mapping: Mapping) -> View:
    """Return the moving view resampled onto the fixed view's grid (linear interpolation).

    Both have the same µm/px, or the moving one may be a little coarser.
    """
    at = mapping.apply(centres(fixed.shape, fixed.mpp)) / moving.mpp - 0.5
    places = np.moveaxis(at, -1, 0)
    grey = ndimage.map_coordinates(moving.grey, places, order=1, mode="constant")
    masks = (
        ndimage.map_coordinates(mask.astype(np.float32), places, order=1, mode="constant")
        for mask in (moving.tissue, moving.known)
    )
    tissue, known = (mask > 0.5 for mask in masks)
    return View(grey, tissue, known, fixed.mpp)
