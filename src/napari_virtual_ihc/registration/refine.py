"""From a rough start to a better map: blocks matched at every shift, joined by a robust fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.blocks import match_blocks
from napari_virtual_ihc.registration.grids import seen_from
from napari_virtual_ihc.registration.mapping import Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.affine import Affine, Points
    from napari_virtual_ihc.registration.blocks import Surfaces
    from napari_virtual_ihc.registration.view import View

_LEAST_SCORE = 0.05
_ROBUST_ROUNDS = 12
_FEWEST = 6
_PULLS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Level(NamedTuple):
    """How blocks are matched at one scale.

    ``side`` is the longer side of the fixed view in px; ``block``, ``step`` and ``reach`` are the
    side of a block, the distance between blocks and the largest shift in px at that scale.
    """

    side: int
    block: int
    step: int
    reach: int
    rounds: int = 1


class Pairs(NamedTuple):
    """Where blocks were found: fixed and moving µm, (n, 2) each, and weights 0 to 1, (n,)."""

    fixed: Points
    moving: Points
    weights: NDArray[np.float64]


def at_level(fixed: View, moving: View, side: int) -> tuple[View, View]:
    """Return both views at the µm/px at which the fixed one is ``side`` px long, or as they are."""
    mpp = max(fixed.shape) * fixed.mpp / side
    return fixed.coarser(mpp), moving.coarser(mpp)


class _Ways(NamedTuple):
    """Blocks of the fixed section found on the moving one, and the other way round."""

    forth: Surfaces
    back: Surfaces


def surfaces_of(fixed: View, moving: View, mapping: Mapping, level: Level) -> Surfaces:
    """Match blocks of two views at one scale, the moving one seen through ``mapping``."""
    seen = seen_from(fixed, moving, mapping)
    usable = fixed.known & seen.known
    return match_blocks(
        fixed.grey, seen.grey, usable, fixed.tissue, level.block, level.step, level.reach
    )


def coupled(
    fixed: View, moving: View, mapping: Mapping, level: Level, fit: Callable[[Pairs], Mapping]
) -> Mapping:
    """Return the map ``fit`` makes of block matches, the blocks pulled towards it ever more.

    Blocks of either section are looked for on the other, so that neither is favoured. Unchanged
    where fewer than six blocks can be compared.
    """
    ways = _both_ways(fixed, moving, mapping, level)
    if min(len(way.centres) for way in ways) < _FEWEST:
        return mapping
    forth, back = (way.centres * fixed.mpp for way in ways)
    began = [mapping.apply(places) for places in (forth, back)]
    into_fixed = np.linalg.inv(mapping.affine[:, :2]).T / fixed.mpp
    towards, found = [np.zeros_like(forth), np.zeros_like(back)], mapping
    for pull in _PULLS:
        (first, first_scores), (second, second_scores) = (
            way.best(aim, pull) for way, aim in zip(ways, towards, strict=True)
        )
        places = np.concatenate([forth, back + second * fixed.mpp])
        moved = np.concatenate([mapping.apply(forth + first * fixed.mpp), began[1]])
        scores = np.concatenate([first_scores, second_scores])
        found = fit(Pairs(places, moved, np.maximum(scores - _LEAST_SCORE, 0) / 2))
        towards = [
            (found.apply(forth) - began[0]) @ into_fixed,
            (began[1] - found.apply(back)) @ into_fixed,
        ]
    return found


def _both_ways(fixed: View, moving: View, mapping: Mapping, level: Level) -> _Ways:
    seen = seen_from(fixed, moving, mapping)
    usable, how = fixed.known & seen.known, (level.block, level.step, level.reach)
    return _Ways(
        match_blocks(fixed.grey, seen.grey, usable, fixed.tissue, *how),
        match_blocks(seen.grey, fixed.grey, usable, seen.tissue, *how),
    )


def robust_weights(residuals: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return Geman and McClure's weights of residual lengths (n,), 0 to 1.

    The scale is 1.5 median residuals, but not under ``least``.
    """
    scale = max(1.5 * float(np.median(residuals)), least)
    weights: NDArray[np.float64] = (scale**2 / (scale**2 + residuals**2)) ** 2
    return weights


def fit_affine(pairs: Pairs, start: Affine, least_um: float) -> Affine:
    """Return the affine map that most blocks agree on, by reweighted least squares.

    Residuals under about ``least_um`` count in full.
    """
    affine = start
    for _ in range(_ROBUST_ROUNDS):
        residuals = np.linalg.norm(affine_map.apply(affine, pairs.fixed) - pairs.moving, axis=1)
        weights = pairs.weights * robust_weights(residuals, least_um)
        affine = affine_map.fit(pairs.fixed, pairs.moving, weights)
    return affine


def refine_affine(fixed: View, moving: View, start: Affine, levels: Sequence[Level]) -> Affine:
    """Return ``start`` refined at each level in turn; unchanged where nothing can be matched."""
    mapping = Mapping(start)
    for level in levels:
        views = at_level(fixed, moving, level.side)
        least = 2 * views[0].mpp

        def fit(pairs: Pairs, least: float = least, mapping: Mapping = mapping) -> Mapping:
            return Mapping(fit_affine(pairs, mapping.affine, least))

        for _ in range(level.rounds):
            mapping = coupled(*views, mapping, level, fit)
    return mapping.affine
