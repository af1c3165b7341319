"""Whether a field helps where it was not fitted: every square of a section withheld once."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.registration.elastic import refine_elastic
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.refine import Level, refine_affine
from napari_virtual_ihc.registration.similarity import likeness, squares_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.registration.view import View

    Seats = NDArray[np.bool_]

_EVERY = 2
_AFFINE = (Level(320, 40, 10, 12, 2),)
_FIELD = (Level(320, 40, 10, 16, 2),)


def without(fixed: View, every: int, first: tuple[int, int]) -> tuple[Seats, View]:
    """Return which squares are withheld, and the view as if they were not known.

    Parameters
    ----------
    fixed
        The section.
    every, first
        Every so many rows and columns of squares, from ``first`` on.
    """
    rows, cols, side = squares_of(fixed)
    seats = np.zeros((rows, cols), np.bool_)
    seats[first[0] :: every, first[1] :: every] = True
    rows_of, cols_of = (
        np.minimum(np.arange(n) // side, count).astype(np.intp)
        for n, count in zip(fixed.shape, (rows, cols), strict=True)
    )
    mask = np.pad(seats, ((0, 1), (0, 1)))[np.ix_(rows_of, cols_of)]
    return seats, replace(fixed, known=fixed.known & ~mask)


def withheld_likeness(
    fixed: View, moving: View, affine: Affine, stiffnesses: Sequence[float]
) -> tuple[float, ...]:
    """Return the mean correlation of withheld squares by an affine map, and by fields on it.

    Four times a quarter of the squares is withheld; all maps are fitted to the others alone, so
    that none knows the squares that judge it. The first is the affine map's, then one for each
    stiffness; all 0 where no square could be compared by all.
    """
    folds = [
        _fold(fixed, moving, affine, stiffnesses, first)
        for first in product(range(_EVERY), range(_EVERY))
    ]
    scores = np.concatenate(folds, axis=1)
    by_all = scores[:, np.isfinite(scores).all(axis=0)]
    if not by_all.size:
        return (0.0,) * len(scores)
    return tuple(float(mean) for mean in by_all.mean(axis=1))


def _fold(
    fixed: View,
    moving: View,
    affine: Affine,
    stiffnesses: Sequence[float],
    first: tuple[int, int],
) -> NDArray[np.float64]:
    """Return the withheld squares' correlations by all maps, (maps, squares); nan where unseen."""
    seats, part = without(fixed, _EVERY, first)
    straight = refine_affine(part, moving, affine, _AFFINE)
    fields = (refine_elastic(part, moving, straight, _FIELD, stiff) for stiff in stiffnesses)
    scores = np.full((1 + len(stiffnesses), *seats.shape), np.nan)
    for row, mapping in zip(scores, (Mapping(straight), *fields), strict=True):
        found = likeness(fixed, moving, mapping).only(seats)
        row[tuple(found.seats.T)] = found.scores
    return scores.reshape(len(scores), -1)
