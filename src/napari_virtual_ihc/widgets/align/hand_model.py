"""Movements by hand, without Qt: what a drag comes to, how long a step is, and sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.landmark_fit import LEAST

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.widgets.align.model import AlignState

    Place = tuple[float, float]

Drag = Literal["shift", "turn", "scale"]

DRAG_HINT = (
    "Drag on the tissue: the real IHC moves along. With Ctrl it turns, with Shift it scales, about "
    "the middle of the view."
)
PAIRS_DECIDE = "The pairs alone decide; to move by hand, let them correct the map or only measure."
_NICE = (1.0, 2.0, 5.0, 10.0)
_LEAST_UM = 0.5


def hand_is_idle(state: AlignState) -> bool:
    """Return whether moving by hand would change nothing, since pairs alone decide."""
    return state.way in ("affine", "elastic") and min(state.marked) >= LEAST[state.way]


def dragged(kind: Drag, start: Place, now: Place, about: Place) -> Affine:
    """Return the movement (fixed µm → fixed µm) of a drag from ``start`` to ``now``.

    Parameters
    ----------
    kind
        Whether the drag shifts, or turns or scales about ``about``.
    start, now, about
        Places (y, x) in µm.
    """
    if kind == "shift":
        return np.column_stack([np.eye(2), np.subtract(now, start)])
    centre = np.array(about)
    (down, right), (onto_down, onto_right) = np.subtract(start, about), np.subtract(now, about)
    if kind == "turn":
        angle = math.atan2(-onto_down, onto_right) - math.atan2(-down, right)
        return affine_map.similarity(math.degrees(angle), False, 1.0, centre, centre)
    far = max(math.hypot(down, right), 1e-6)
    factor = min(max(math.hypot(onto_down, onto_right) / far, 0.2), 5.0)
    return affine_map.similarity(0.0, False, factor, centre, centre)


def nice_step(view_um: float) -> float:
    """Return a round step of about a hundredth of the view's height, µm, at least 0.5."""
    wish = view_um / 100
    power = 10.0 ** math.floor(math.log10(wish))
    return max(next(part * power for part in _NICE if part * power >= wish), _LEAST_UM)
