"""A map from marked pairs: alone, or correcting a map that was found before.

What is left over is spread by inverse quadratics and a constant: every pair is met, each pulls its
own neighbourhood, and elsewhere the correction is their common shift. Pairs marked on serial
sections are uncertain by many µm, and splines that join them smoothly (thin plates) carry that
everywhere. How good a map is where nothing was marked is told by leaving each pair out in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial.distance import cdist

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.gates import folds
from napari_virtual_ihc.registration.mapping import Field, Mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.affine import Affine, Points
    from napari_virtual_ihc.registration.landmarks import Landmarks

    Displacement = Callable[[Points], Points]

Way = Literal["measure", "correct", "affine", "elastic"]
"""Measure only; correct the map there is; an affine map of the pairs alone; and what is left."""

LEAST = {"measure": 1, "correct": 1, "affine": 2, "elastic": 2}
"""How many pairs each way needs."""

_NODES, _ROUNDS = 97, 4
_REACHES = (0.5, 1.0, 2.0, 4.0)
"""Of a pair, in median distances to the nearest pair; the first is taken that does not fold."""
_FLAT = 0.02
_SAME_UM = 1.0


def fit_landmarks(
    marked: Landmarks, way: Way, base: Mapping, size_um: tuple[float, float]
) -> Mapping:
    """Return the map that marked pairs ask for.

    Parameters
    ----------
    marked
        Pairs; one begun is left out.
    way
        What they do. Two pairs give a similarity instead of an affine map, mirrored as ``base`` is.
    base
        The map there is, fixed µm → moving µm.
    size_um
        Height and width of the fixed slide.

    Raises
    ------
    RegistrationError
        Where two pairs share a place, lie on one line, or would fold the section.
    """
    pairs = marked.whole()
    if way == "measure" or pairs.count < LEAST[way]:
        return base
    _require_apart(pairs)
    start = base if way == "correct" else Mapping(_affine_of(pairs, base))
    return start if way == "affine" else _meeting(pairs, start, size_um)


def left_out_errors(marked: Landmarks, way: Way, base: Mapping) -> NDArray[np.float64]:
    """Return for each pair how far, in µm of the moving slide, a map made without it misses it.

    NaN where too few others are left to make one, or where these lie on one line.
    """
    pairs = marked.whole()
    return np.array([_left_out(pairs, number, way, base) for number in range(pairs.count)])


def _left_out(pairs: Landmarks, number: int, way: Way, base: Mapping) -> float:
    others = pairs.without([number])
    place = pairs.fixed[number : number + 1]
    try:
        found = _placed(others, way, base)(place)
    except RegistrationError:
        return float("nan")
    return float(np.linalg.norm(found - pairs.moving[number]))


def _placed(pairs: Landmarks, way: Way, base: Mapping) -> Displacement:
    """Return the map of some pairs as a function, without a lattice."""
    if way == "measure" or (way == "correct" and not pairs.count):
        return base.apply
    start = base if way == "correct" else Mapping(_affine_of(pairs, base))
    if way == "affine":
        return start.apply
    spread = _spread(pairs.fixed, pairs.moving - start.apply(pairs.fixed))
    return lambda points: start.apply(points) + spread(points)


def _affine_of(pairs: Landmarks, base: Mapping) -> Affine:
    if pairs.count < 2:
        raise RegistrationError("An affine map needs two pairs at least.")
    if pairs.count == 2:
        return _similarity_of(pairs, mirrored=affine_map.shape_of(base.affine).mirrored)
    for points in (pairs.fixed, pairs.moving):
        longest, shortest = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[:2]
        if shortest < _FLAT * longest:
            raise RegistrationError("The pairs lie on one line; mark one beside it.")
    return affine_map.fit(pairs.fixed, pairs.moving)


def _similarity_of(pairs: Landmarks, *, mirrored: bool) -> Affine:
    """Return the similarity through two pairs; points are complex numbers y + ix here."""
    (start, end), (onto, beyond) = pairs.fixed @ [1, 1j], pairs.moving @ [1, 1j]
    along = np.conj(end - start) if mirrored else end - start
    factor = (beyond - onto) / along
    return affine_map.similarity(
        float(np.rad2deg(np.angle(factor))), mirrored, float(abs(factor)),
        pairs.fixed[0], pairs.moving[0],
    )  # fmt: skip


def _meeting(pairs: Landmarks, start: Mapping, size_um: tuple[float, float]) -> Mapping:
    """Return ``start`` with a field on top, so that every pair is met."""
    for reach in _REACHES:
        mapping = _reaching(pairs, start, size_um, reach)
        if not folds(mapping):
            return mapping
    worst = int(np.nanargmax(left_out_errors(pairs, "correct", start))) + 1
    raise RegistrationError(
        f"Meeting every pair would fold the section; look at pair {worst} (of {pairs.count}, "
        "counted from 1), which fits the others worst, or let the pairs alone give an affine map."
    )


def _reaching(
    pairs: Landmarks, start: Mapping, size_um: tuple[float, float], reach: float
) -> Mapping:
    """Return ``start`` and the correction on a lattice; rounds make up for its linear pieces."""
    before, mapping = start.field, start
    wanted = np.zeros((pairs.count, 2))
    for _ in range(_ROUNDS):
        wanted = wanted + pairs.moving - mapping.apply(pairs.fixed)
        spread = _spread(pairs.fixed, wanted, reach)

        def displaced(points: Points, spread: Displacement = spread) -> Points:
            return spread(points) if before is None else before.at(points) + spread(points)

        mapping = Mapping(start.affine, Field.sampled(displaced, size_um, _NODES))
    return mapping


def _spread(places: Points, wanted: Points, reach: float = _REACHES[0]) -> Displacement:
    """Return the displacement that is ``wanted`` (n, 2) at ``places`` and smooth between them."""
    if len(places) == 1:
        return lambda points: np.broadcast_to(wanted[0], points.shape)
    apart = cdist(places, places)
    np.fill_diagonal(apart, np.inf)
    width = reach * float(np.median(apart.min(axis=1)))
    found = RBFInterpolator(places, wanted, kernel="inverse_quadratic", epsilon=1 / width, degree=0)

    def displacement(points: Points) -> Points:
        spread: Points = found(points.reshape(-1, 2)).reshape(points.shape)
        return spread

    return displacement


def _require_apart(pairs: Landmarks) -> None:
    apart = np.triu(cdist(pairs.fixed, pairs.fixed) < _SAME_UM, 1)
    if apart.any():
        first, second = np.argwhere(apart)[0] + 1
        raise RegistrationError(f"Pairs {first} and {second} lie at one place of the H&E.")
