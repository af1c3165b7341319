"""Where registered tissue is torn or folded: neighbours that match well, but elsewhere.

Blocks of either slide are looked for on the other (normalised cross-correlation at every shift).
A smooth field cannot follow a tear or a fold, so on both sides of it blocks match at shifts that
differ by more than tissue stretches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from napari_virtual_ihc.registration.blocks import Surfaces, correlations, spread_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Grey = NDArray[np.float32]

BLOCK, STEP, REACH = 48, 8, 24
"""Side of a block, distance of blocks and largest shift, px of about 4 µm."""
_SPAN = BLOCK // STEP // 2
_HOME = REACH // STEP
_RING = _SPAN + 1
EDGE = (_RING + _HOME) * STEP + BLOCK // 2 + REACH
"""Pixels that are needed beyond the outermost node, on each side."""
_PULL = 0.05
_LEAST_SCORE, _LEAST_LEAD, _PEAK_PX = 0.4, 0.1, 5
_MOST_AWAY = 2.0
_FEWEST_FRIENDS = 4
_WAYS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Match(NamedTuple):
    """Blocks on a lattice: which shift matches best, and whether it does so clearly.

    Attributes
    ----------
    shift
        In px, (rows, columns, 2).
    clear
        Correlates by 0.4, and by 0.1 more than at any shift farther than 5 px from it, (rows,
        columns): other tissue matches somewhere by chance, but as well elsewhere.
    """

    shift: Values
    clear: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Parting:
    """What a lattice of blocks says; nodes are 8 px apart.

    Attributes
    ----------
    fixed, moving
        Greys of both, (h, w), the first node's centre `EDGE` px from their corner.
    known
        Where both slides have pixels, (h, w).
    carried
        From places (rows, columns, 2) in px of the first node to where the registration takes
        them, in the same px and without its affine part.
    """

    fixed: Grey
    moving: Grey
    known: NDArray[np.bool_]
    carried: Callable[[Values], Values]

    @cached_property
    def forth(self) -> Match:
        """Blocks of the fixed slide, three nodes farther than asked for."""
        far = _HOME * STEP
        return matched(self.fixed[far:-far, far:-far], self.moving[far:-far, far:-far])

    @cached_property
    def residual(self) -> Values:
        """How far from itself a block's centre comes back, px; nan where it does not match."""
        return _cut(self._residual, _RING)

    @cached_property
    def strain(self) -> Values:
        """Largest difference of shifts over 48 px or the diagonal, by that distance; nan if none.

        Of blocks alone that match, come back within 2 px, and have four of their eight neighbours
        with them within 2 px.
        """
        rows, columns = self.forth.clear.shape
        places = (np.moveaxis(np.indices((rows, columns)), 0, -1) - _RING) * float(STEP)
        moved = self.carried(places + self.forth.shift) - places
        moved[~(self._residual <= _MOST_AWAY)] = np.nan
        friends = _friends(moved)
        moved = _cut(moved, 1)
        moved[friends < _FEWEST_FRIENDS] = np.nan
        found = np.stack([_difference(moved, way) for way in _WAYS])
        return np.asarray(np.round(np.fmax.reduce(found, axis=0), 6), np.float64)

    @cached_property
    def _residual(self) -> Values:
        back = matched(self.moving, self.fixed)
        home = np.moveaxis(np.indices(self.forth.clear.shape), 0, -1) + _HOME
        at = np.rint(home + self.forth.shift / STEP).astype(np.intp)
        away = np.linalg.norm(self.forth.shift + back.shift[at[..., 0], at[..., 1]], axis=-1)
        off = REACH + _HOME * STEP
        blocks = sliding_window_view(self.known[off:-off, off:-off], (BLOCK, BLOCK))
        whole = blocks[::STEP, ::STEP].all(axis=(2, 3))
        return np.where(self.forth.clear & whole, away, np.nan)


def matched(fixed: Grey, moving: Grey) -> Match:
    """Return where each block of one grey lies on another of the same shape.

    The first block's centre lies 16 + 24 px from their corner.
    """
    core = fixed[REACH:-REACH, REACH:-REACH]
    blocks = sliding_window_view(core, (BLOCK, BLOCK))[::STEP, ::STEP]
    around = sliding_window_view(moving, (BLOCK + 2 * REACH,) * 2)[::STEP, ::STEP]
    spreads = sliding_window_view(spread_of(moving, BLOCK), (2 * REACH + 1,) * 2)[::STEP, ::STEP]
    shape = blocks.shape[:2]
    rows = zip(blocks, around, spreads, strict=True)
    scores = np.concatenate([correlations(*row) for row in rows])
    still = np.zeros((len(scores), 2))
    shift, score = Surfaces(still, scores, still.astype(np.intp)).best(still, _PULL)
    clear = (score >= _LEAST_SCORE) & (score - _elsewhere(scores, shift) >= _LEAST_LEAD)
    return Match(shift.reshape(*shape, 2), clear.reshape(shape))


def _elsewhere(scores: Grey, shift: Values) -> Values:
    """Return the best of scores (n, s, s) at shifts farther than 5 px from one, (n,)."""
    axis = np.arange(-REACH, REACH + 1)
    down, along = (np.abs(axis - shift[:, k, None]) <= _PEAK_PX for k in (0, 1))
    near = down[:, :, None] & along[:, None, :]
    return np.asarray(np.where(near, -1.0, scores).max(axis=(1, 2)), np.float64)


def _friends(moved: Values) -> NDArray[np.intp]:
    """Return how many of the eight neighbours of each inner node moved as it did, within 2 px."""
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    near = [
        np.linalg.norm(_cut(np.roll(moved, step, axis=(0, 1)) - moved, 1), axis=-1) <= _MOST_AWAY
        for step in steps
    ]
    return np.asarray(np.sum(near, axis=0), np.intp)


def _difference(moved: Values, way: tuple[int, int]) -> Values:
    """Return the difference of shifts of the nodes two to either side, by their distance."""
    down, along = (_SPAN * part for part in way)
    ends = [
        _cut(np.roll(moved, (-sign * down, -sign * along), axis=(0, 1)), _SPAN) for sign in (1, -1)
    ]
    apart = 2 * STEP * float(np.hypot(down, along))
    return np.asarray(np.linalg.norm(ends[0] - ends[1], axis=-1) / apart, np.float64)


def _cut(values: Values, nodes: int) -> Values:
    return values[nodes:-nodes, nodes:-nodes]
