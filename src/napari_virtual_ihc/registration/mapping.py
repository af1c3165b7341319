"""Where a point of the fixed section lies on the moving one: an affine map and a smooth field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.registration import affine as affine_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.affine import Affine, Points

    Size = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Field:
    """Displacements on a lattice, linear between its nodes, constant beyond its edge.

    Attributes
    ----------
    values
        Displacement (dy, dx) of each node in moving µm, (rows, cols, 2) float64.
    origin
        Place (y, x) of the first node in fixed µm.
    spacing
        Distance (y, x) of nodes in fixed µm.
    """

    values: NDArray[np.float64]
    origin: tuple[float, float]
    spacing: tuple[float, float]

    @classmethod
    def sampled(cls, displacement: Callable[[Points], Points], size_um: Size, nodes: int) -> Field:
        """Return a displacement on a lattice over a section, ``nodes`` along its longer side."""
        step = max(size_um) / (nodes - 1)
        rows, cols = (max(round(side / step), 1) + 1 for side in size_um)
        spacing = size_um[0] / (rows - 1), size_um[1] / (cols - 1)
        field = cls(np.zeros((rows, cols, 2)), (0.0, 0.0), spacing)
        return replace(field, values=displacement(field.nodes()))

    def at(self, points: Points) -> Points:
        """Return the displacement in µm at points (..., 2) in fixed µm."""
        seats = (points - np.array(self.origin)) / np.array(self.spacing)
        flat = seats.reshape(-1, 2).T
        moved = [
            ndimage.map_coordinates(self.values[..., axis], flat, order=1, mode="nearest")
            for axis in (0, 1)
        ]
        displacement: Points = np.stack(moved, axis=-1).reshape(points.shape)
        return displacement

    def nodes(self) -> Points:
        """Return the places of the nodes in fixed µm, (rows, cols, 2)."""
        axes = (
            start + step * np.arange(count)
            for start, step, count in zip(
                self.origin, self.spacing, self.values.shape[:2], strict=True
            )
        )
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


@dataclass(frozen=True, eq=False)
class Mapping:
    """``moving = affine(fixed) + field(fixed)``, all in µm.

    Attributes
    ----------
    affine
        2 × 3, fixed (y, x) → moving (y, x).
    field
        What is added, or None.
    """

    affine: Affine
    field: Field | None = None

    def apply(self, points: Points) -> Points:
        """Return where points (..., 2) in fixed µm lie on the moving section, in µm."""
        moved = affine_map.apply(self.affine, points)
        return moved if self.field is None else moved + self.field.at(points)

    def jacobian(self, points: Points, step_um: float) -> NDArray[np.float64]:
        """Return the change of area at points (..., 2): 1 for none, 0 or less where it folds.

        Differences over ``step_um`` either way; the sign of a mirrored affine map is taken out.
        """
        across = [
            self.apply(points + shift) - self.apply(points - shift)
            for shift in (np.array([step_um, 0.0]), np.array([0.0, step_um]))
        ]
        area = across[0][..., 0] * across[1][..., 1] - across[0][..., 1] * across[1][..., 0]
        sign = np.sign(np.linalg.det(self.affine[:, :2]))
        result: NDArray[np.float64] = sign * area / (2 * step_um) ** 2
        return result

    def inverse_at(self, points: Points, rounds: int = 20) -> Points:
        """Return the fixed µm of points (..., 2) in moving µm, by fixed-point iteration.

        Converges where the field's gradient stays below 1, which the gates see to.
        """
        back = affine_map.inverse(self.affine)
        found = affine_map.apply(back, points)
        if self.field is None:
            return found
        for _ in range(rounds):
            found = affine_map.apply(back, points - self.field.at(found))
        return found
