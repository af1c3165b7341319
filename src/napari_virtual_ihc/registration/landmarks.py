"""Pairs of points marked by people: while they are marked, and as a measure of a fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_virtual_ihc.registration.affine import Points
    from napari_virtual_ihc.registration.registration import Registration

Side = Literal["fixed", "moving"]


def _none() -> Points:
    return np.zeros((0, 2))


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What was marked so far: the n-th point of one slide belongs to the n-th of the other.

    Attributes
    ----------
    fixed, moving
        Places (n, 2) as (y, x) in µm of each slide. One may hold one point more: a pair begun.
    """

    fixed: Points = field(default_factory=_none)
    moving: Points = field(default_factory=_none)

    @property
    def count(self) -> int:
        """Number of whole pairs."""
        return min(len(self.fixed), len(self.moving))

    @property
    def awaited(self) -> Side:
        """The slide on which the next point is to be marked."""
        return "moving" if len(self.fixed) > len(self.moving) else "fixed"

    def of(self, side: Side) -> Points:
        """Return the points of one slide."""
        return self.fixed if side == "fixed" else self.moving

    def whole(self) -> Landmarks:
        """Return the whole pairs alone."""
        return Landmarks(self.fixed[: self.count], self.moving[: self.count])

    def same_as(self, other: Landmarks) -> bool:
        """Whether all points are at the same places."""
        return all(np.array_equal(self.of(side), other.of(side)) for side in get_args(Side))

    def marked(self, side: Side, place: Points) -> Landmarks:
        """Return these with one more point; a pair begun on this side begins there instead."""
        kept = self.of(side)[: min(len(self.of(side)), self.count)]
        return self._with(side, np.vstack([kept, place]))

    def moved(self, side: Side, places: Points) -> Landmarks:
        """Return these with as many points of one slide elsewhere."""
        return self._with(side, places.copy())

    def without(self, numbers: Collection[int]) -> Landmarks:
        """Return these without some pairs, counted from 0."""
        kept = (
            np.delete(points, _within(points, numbers), axis=0)
            for points in (self.fixed, self.moving)
        )
        return Landmarks(*kept)

    def _with(self, side: Side, places: Points) -> Landmarks:
        return replace(self, fixed=places) if side == "fixed" else replace(self, moving=places)


def _within(points: Points, numbers: Collection[int]) -> list[int]:
    return [number for number in numbers if number < len(points)]


@dataclass(frozen=True)
class LandmarkError:
    """How far landmarks lie from where a registration puts them.

    Relative to the moving image's diagonal (rTRE; Borovec et al., IEEE TMI 39, 2020).

    Attributes
    ----------
    rtre_median, rtre_p90
        Median and 90th percentile of distance over diagonal.
    rtre_median_before
        The median without registration: both slides corner on corner.
    tre_median_um
        Median distance, µm of the moving slide.
    improved
        Share of landmarks that lie closer than without registration, 0 to 1.
    count
        Pairs of landmarks.
    """

    rtre_median: float
    rtre_p90: float
    rtre_median_before: float
    tre_median_um: float
    improved: float
    count: int


def landmark_error(
    registration: Registration, fixed_px: Points, moving_px: Points
) -> LandmarkError:
    """Measure a registration with landmarks in px, in the same order; extra ones are left out."""
    count = min(len(fixed_px), len(moving_px))
    fixed = fixed_px[:count] * registration.fixed.mpp
    moving = moving_px[:count] * registration.moving.mpp
    before = np.linalg.norm(moving - fixed, axis=1)
    after = np.linalg.norm(moving - registration.to_moving(fixed), axis=1)
    diagonal = float(np.hypot(*registration.moving.shape)) * registration.moving.mpp
    median, p90 = (float(value) for value in np.percentile(after, (50, 90)))
    return LandmarkError(
        median / diagonal, p90 / diagonal, float(np.median(before)) / diagonal, median,
        float((after < before).mean()), count,
    )  # fmt: skip
