"""What a registration's field and landmarks say of where it is right; arrays in µm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_virtual_ihc.comparison.views import Heatmap, MapInfo
from napari_virtual_ihc.errors import DataError

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
    "mean of landmark errors weighted by exp(−d² / 2 s²), none beyond 2 s of every landmark",
)  # fmt: skip
_FARTHEST = 2.0
_NEIGHBOURS = 16


def _read(what: Callable[[Deformation], Values]) -> Callable[[PairView], Values]:
    def values(view: PairView) -> Values:
        if view.deformation is None:
            raise DataError("This map needs a slide that was registered.")
        return what(view.deformation)

    return values


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
