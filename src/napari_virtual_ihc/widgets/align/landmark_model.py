"""What the Align page says of marked pairs, without Qt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_virtual_ihc.registration.landmark_fit import LEAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.registration.landmark_fit import Way
    from napari_virtual_ihc.registration.landmarks import Landmarks
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.widgets.align.model import AlignState

WAYS: dict[Way, str] = {
    "correct": "correct the map",
    "affine": "alone: affine",
    "elastic": "alone: affine and local",
    "measure": "only measure",
}
COMPUTING = "Computing the error of each pair…"
_FEWEST_FOR_WORST = 4
_CLEARLY = 0.8
_DOUBT = " The map before them misses them by {:.0f} µm only; they may be less exact than it."


def asked(state: AlignState) -> str:
    """Return what is to be clicked next, empty where nothing is."""
    if not state.marking:
        return ""
    fixed, moving = state.marked
    where = "real IHC" if fixed > moving else "H&E"
    return f"Click pair {min(fixed, moving) + 1} on the {where}."


def row_words(state: AlignState, number: int) -> tuple[str, str]:
    """Return the cells of pair ``number`` (from 0): its number, and its error in µm."""
    if number >= min(state.marked):
        return str(number + 1), "begun"
    if state.laying:
        return str(number + 1), "…"
    known = number < len(state.errors) and math.isfinite(state.errors[number])
    return str(number + 1), f"{state.errors[number]:.0f}" if known else "–"


def worst(errors: Sequence[float]) -> int | None:
    """Return which pair (from 0) fits the others worst; None where that cannot be told."""
    known = [(error, number) for number, error in enumerate(errors) if math.isfinite(error)]
    return max(known)[1] if len(known) >= _FEWEST_FOR_WORST else None


def way_words(way: Way, medians: dict[Way, float]) -> str:
    """Return a way to use pairs, with its median error where there is one."""
    median = medians.get(way, math.nan)
    return WAYS[way] + (f" · {median:.0f} µm" if math.isfinite(median) else "")


def brought(found: Registration, before: Landmarks) -> str:
    """Return what became of the pairs a registration was kept with, and of those ``before``."""
    kept = found.placement
    if kept is None or not kept.marked.count:
        return ""
    told = f"Its {_pairs(kept.marked.count)} {'is' if kept.marked.count == 1 else 'are'}"
    what = "in force again" if kept.decided_by_pairs() else "in the table again, only to measure"
    lost = before.count and not before.same_as(kept.marked)
    instead = f" Undo brings back the {_pairs(before.count)} marked before." if lost else ""
    return f"{told} {what}.{instead}"


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"


def summary(state: AlignState) -> str:
    """Return one sentence on how good the map is, as the pairs tell."""
    count, median = min(state.marked), dict(state.medians).get(state.way, math.nan)
    if not count:
        return ""
    if count < LEAST[state.way]:
        return "One more pair, and the map follows."
    if state.laying:
        return COMPUTING
    if not math.isfinite(median):
        return "With one more pair the error of each can be told."
    told = "Median error" if state.way == "measure" else "Median error of a pair left out"
    without = dict(state.medians).get("measure", math.nan)
    worst_pair = worst(state.errors)
    tail = "" if worst_pair is None else f"; pair {worst_pair + 1} fits worst"
    doubt = _DOUBT.format(without) if _spoil(state, median, without) else ""
    return f"{told}: {median:.0f} µm ({_pairs(count)}{tail}).{doubt}"


def _spoil(state: AlignState, median: float, without: float) -> bool:
    """Return whether the map is likely better than the pairs that correct it."""
    return state.way == "correct" and without < _CLEARLY * median
