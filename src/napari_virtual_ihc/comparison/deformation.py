"""What a registration's field and landmarks say of where it is right; arrays in µm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_virtual_ihc.comparison.views import Heatmap, MapInfo
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.files import hash_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.deformed import Deformation
    from napari_virtual_ihc.comparison.views import PairView

    Values = NDArray[np.float64]

DISPLACEMENT = MapInfo(
    "displacement", "Displacement", "µm", 0.0, 100.0, "viridis",
    "length of the field beyond the affine map",
)  # fmt: skip
JACOBIAN = MapInfo(
    "jacobian", "Area change", "ratio", 0.5, 1.5, "PuOr",
    "determinant of the map by that of its affine part, central differences; 0 or less is a fold",
)  # fmt: skip
RESIDUAL = MapInfo(
    "residual", "Forward–backward residual", "µm", 0.0, 20.0, "viridis",
    "|u(x) + v(x + u(x))| of blocks of 48 px matched both ways, where they correlate by 0.4",
)  # fmt: skip
STRAIN = MapInfo(
    "strain", "Tears and folds", "ratio", 0.0, 0.6, "viridis",
    "difference of the shifts of blocks on both sides, matched both ways, by their distance",
)  # fmt: skip
LANDMARK_ERROR = MapInfo(
    "landmark_error", "Landmark error", "µm", 0.0, 50.0, "viridis",
    "mean of the errors of landmark pairs, each of a map made without it, weighted by "
    "exp(−d² / 2 s²), none beyond 2 s of every landmark",
)  # fmt: skip
_FARTHEST = 2.0
_NEIGHBOURS = 16
_ALONE_UM, _NEAREST_UM = 250.0, 50.0


def _deformation(view: PairView) -> Deformation:
    if view.deformation is None:
        raise DataError("This map needs a slide that was registered.")
    return view.deformation


def _read(what: Callable[[Deformation], Values]) -> Callable[[PairView], Values]:
    return lambda view: what(_deformation(view))


DEFORMATION_MAPS: dict[str, Heatmap] = {
    info.name: Heatmap(info, _read(what))
    for info, what in (
        (DISPLACEMENT, lambda known: known.displacement),
        (JACOBIAN, lambda known: known.jacobian),
        (RESIDUAL, lambda known: known.residual),
        (STRAIN, lambda known: known.strain),
    )
}
"""Maps that need a registered slide."""


def jacobian(field: Values, step_um: float) -> Values:
    """Return the determinant of I + ∇u, (rows, columns): 1 keeps area, ≤ 0 folds."""
    (yy, yx), (xy, xx) = (np.gradient(part, step_um) for part in field)
    determinant: Values = (1 + yy) * (1 + xx) - yx * xy
    return determinant


def landmark_error(
    points: Values, errors: Values, y_um: Values, x_um: Values, spread_um: float
) -> tuple[Values, Values]:
    """Return landmark errors between landmarks, and how near these are.

    Parameters
    ----------
    points
        (n, 2) places (y, x) of landmarks, µm.
    errors
        (n,) their errors, µm.
    y_um, x_um
        Places asked for, same shape.
    spread_um
        Standard deviation s of a landmark's weight, µm.

    Returns
    -------
    tuple
        Errors, nan farther than 2 s from every landmark; and support exp(−d² / 2 s²) of the
        nearest one, 0 to 1.
    """
    if not len(points):
        return np.full(y_um.shape, np.nan), np.zeros(y_um.shape)
    near = min(_NEIGHBOURS, len(points))
    away, index = cKDTree(points).query(np.stack([y_um, x_um], -1), k=range(1, near + 1))
    closeness = -(away**2) / (2 * spread_um**2)
    weight = np.exp(closeness - closeness[..., :1])
    mean = (weight * errors[index]).sum(axis=-1) / weight.sum(axis=-1)
    support = np.asarray(np.exp(closeness[..., 0]), np.float64)
    return np.where(away[..., 0] <= _FARTHEST * spread_um, mean, np.nan), support


def landmark_map(points: Values, errors: Values) -> Heatmap:
    """Return the map of landmark errors, for slides that were registered.

    Parameters
    ----------
    points
        (n, 2) places (y, x) of landmarks on the fixed slide, µm.
    errors
        (n,) their errors, µm; nan for none. The spread s is the median distance of a landmark to
        the nearest other, at least 50 µm; 250 µm for one alone.

    Raises
    ------
    DataError
        If no error is known.
    """
    known = np.isfinite(errors)
    if not known.any():
        raise DataError("The error of no landmark pair can be told yet; mark one pair more.")
    points, errors = points[known], errors[known]
    spread_um = _spread_um(points)

    def make(view: PairView) -> Values:
        y_um, x_um = np.moveaxis(_deformation(view).places, -1, 0)
        return landmark_error(points, errors, y_um, x_um, spread_um)[0]

    formula = f"{LANDMARK_ERROR.formula}; s = {spread_um:.0f} µm, n = {len(points)}"
    key = hash_of(points.tolist(), errors.tolist(), spread_um)
    return Heatmap(replace(LANDMARK_ERROR, formula=formula), make, key=key)


def _spread_um(points: Values) -> float:
    if len(points) == 1:
        return _ALONE_UM
    apart = cKDTree(points).query(points, k=2)[0][:, 1]
    return max(float(np.median(apart)), _NEAREST_UM)
