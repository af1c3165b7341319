"""Whether a map is believable: what squares, free to move, say of it, and how much it stretches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.registration.affine import shape_of
from napari_virtual_ihc.registration.blocks import Surfaces
from napari_virtual_ihc.registration.grids import seen_from
from napari_virtual_ihc.registration.refine import Level, at_level, surfaces_of

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.mapping import Mapping
    from napari_virtual_ihc.registration.view import View

_LEVEL = Level(320, 40, 20, 16)
_AGREEING_PX = 3.0
_GAP, _DENSE, _INNER = 13, 0.1, 0.9


class Evidence(NamedTuple):
    """What speaks for a map.

    Attributes
    ----------
    agreeing
        Share of squares within the section that, free to move by 16 px, match best within 3 px
        of where the map puts them; 0.03 by chance.
    correlation
        Mean correlation of squares where the map puts them.
    squares
        How many could be compared.
    overlap
        Share of the smaller tissue that lies on tissue of the other section.
    """

    agreeing: float
    correlation: float
    squares: int
    overlap: float


def evidence_for(fixed: View, moving: View, mapping: Mapping) -> Evidence:
    """Return what speaks for ``mapping``, on views 320 px long."""
    views = at_level(fixed, moving, _LEVEL.side)
    found = _inner(views[0], surfaces_of(*views, mapping, _LEVEL))
    overlap = _overlap(*views, mapping)
    if not len(found.centres):
        return Evidence(0.0, 0.0, 0, overlap)
    shifts, _ = found.best(np.zeros_like(found.centres), 0.0)
    near = np.linalg.norm(shifts, axis=1) <= _AGREEING_PX
    return Evidence(
        float(near.mean()), float(found.unshifted().mean()), len(found.centres), overlap
    )


def _inner(fixed: View, found: Surfaces) -> Surfaces:
    """Return the squares within the section: an outline would agree with many another one."""
    smooth = ndimage.uniform_filter(fixed.tissue.astype(np.float32), _GAP, mode="nearest")
    within = ndimage.uniform_filter((smooth > _DENSE).astype(np.float32), _LEVEL.block)
    kept = within[tuple(found.centres.astype(np.intp).T)] > _INNER
    return Surfaces(found.centres[kept], found.scores[kept], found.seats[kept])


def _overlap(fixed: View, moving: View, mapping: Mapping) -> float:
    seen = seen_from(fixed, moving, mapping)
    both = float((fixed.tissue & seen.tissue).sum()) * fixed.mpp**2
    area = shape_of(mapping.affine).scale ** 2
    areas = (
        float(fixed.tissue.sum()) * fixed.mpp**2,
        float(moving.tissue.sum()) * moving.mpp**2 / area,
    )
    return both / max(min(areas), 1e-9)
