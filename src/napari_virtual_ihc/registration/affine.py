"""Affine maps of the plane, fixed µm (y, x) → moving µm (y, x), as 2 × 3 float64 arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Affine = NDArray[np.float64]
    Points = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """What an affine map does to a small square.

    Attributes
    ----------
    angle_deg
        Rotation, −180 to 180, after a mirroring of x if there is one.
    scale
        Square root of the change of area.
    stretch
        Longest over shortest axis of the ellipse a circle becomes; 1 for none.
    mirrored
        True where left and right change sides.
    """

    angle_deg: float
    scale: float
    stretch: float
    mirrored: bool


def identity() -> Affine:
    """Return the map that leaves every point where it is."""
    return np.eye(2, 3)


def similarity(
    angle_deg: float, mirrored: bool, scale: float, centre: Points, onto: Points
) -> Affine:
    """Return the map that mirrors x, turns, scales, and takes ``centre`` to ``onto`` (µm)."""
    turn = np.deg2rad(angle_deg)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if mirrored:
        linear = linear @ np.diag([1.0, -1.0])
    return np.column_stack([linear, onto - linear @ centre])


def apply(affine: Affine, points: Points) -> Points:
    """Return the points (..., 2) in µm that ``points`` are mapped to."""
    moved: Points = points @ affine[:, :2].T + affine[:, 2]
    return moved


def compose(outer: Affine, inner: Affine) -> Affine:
    """Return the map that applies ``inner``, then ``outer``."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def inverse(affine: Affine) -> Affine:
    """Return the map back; raises numpy's LinAlgError where there is none."""
    back = np.linalg.inv(affine[:, :2])
    return np.column_stack([back, -back @ affine[:, 2]])


def fit(fixed: Points, moving: Points, weights: NDArray[np.float64] | None = None) -> Affine:
    """Return the affine map that takes ``fixed`` to ``moving``, (n, 2) each, by least squares."""
    root = np.ones(len(fixed)) if weights is None else np.sqrt(weights)
    rows = np.column_stack([fixed, np.ones(len(fixed))]) * root[:, None]
    solved = np.linalg.lstsq(rows, moving * root[:, None], rcond=None)[0]
    affine: Affine = np.ascontiguousarray(solved.T)
    return affine


def shape_of(affine: Affine) -> Shape:
    """Return turn, scale, stretch and handedness of an affine map."""
    linear = affine[:, :2]
    mirrored = bool(np.linalg.det(linear) < 0)
    if mirrored:
        linear = linear @ np.diag([1.0, -1.0])
    u, (longest, shortest), v = np.linalg.svd(linear)
    turn = u @ v
    angle = float(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0])))
    stretch = float(longest / shortest) if shortest > 0 else float("inf")
    return Shape(angle, float(np.sqrt(longest * shortest)), stretch, mirrored)
