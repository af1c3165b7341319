"""Pairs of points marked by people: for measuring a registration, never for fitting it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import RegistrationError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.registration.affine import Points
    from napari_virtual_ihc.registration.registration import Registration


@dataclass(frozen=True)
class LandmarkError:
    """How far landmarks lie from where a registration puts them.

    Relative to the moving image's diagonal (rTRE; Borovec et al., IEEE TMI 39, 2020).

    Attributes
    ----------
    rtre_median, rtre_p90
        Median and 90th percentile of distance over diagonal.
    improved
        Share of landmarks that lie closer than without registration, 0 to 1.
    count
        Pairs of landmarks.
    """

    rtre_median: float
    rtre_p90: float
    improved: float
    count: int


def read_landmarks(path: Path) -> Points:
    """Read a CSV with columns X and Y in px of its image; return (n, 2) as (y, x).

    Raises
    ------
    RegistrationError
        Where the file or a column is missing, or an entry is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        points = np.array([[float(row["Y"]), float(row["X"])] for row in rows])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RegistrationError(
            f"{path.name} cannot be read as landmarks with columns X and Y: {error}."
        ) from error
    if not len(points) or not np.isfinite(points).all():
        raise RegistrationError(f"{path.name} holds no landmarks, or some that are no numbers.")
    return points


def landmark_error(
    registration: Registration, fixed_px: Points, moving_px: Points
) -> LandmarkError:
    """Measure a registration with landmarks in px, in the same order; extra ones are left out."""
    count = min(len(fixed_px), len(moving_px))
    fixed = fixed_px[:count] * registration.fixed.mpp
    moving = moving_px[:count] * registration.moving.mpp
    before = np.linalg.norm(moving - fixed, axis=1)
    after = np.linalg.norm(moving - registration.to_moving(fixed), axis=1)
    relative = after / (np.hypot(*registration.moving.shape) * registration.moving.mpp)
    median, p90 = np.percentile(relative, (50, 90))
    return LandmarkError(float(median), float(p90), float((after < before).mean()), count)
