"""What the Compare page shows, without Qt: its state and its sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

from napari_virtual_ihc.widgets.compare.regions import VIEW

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.compare.measuring import Answer
    from napari_virtual_ihc.widgets.compare.sides import Sides

NO_REGISTRATION = (
    "Lay a real IHC slide onto the H&E first, on the Align page; then the two are compared here."
)
NO_VIRTUAL = "Numbers need a virtual IHC: switch on live translation on the Translate page."
STOPPED = "What was going on here was stopped: the slides compared are no longer the same."
HELD = "Live translation is off, so the view is not measured by itself; press Measure."
MOST_LIVE_MM2 = 2.0


@dataclass
class CompareState:
    """One field for each thing on the page; ``events`` tells of every change.

    Attributes
    ----------
    pair
        Which slides lie on each other; empty where none do.
    virtual
        Whether there is a virtual IHC to measure.
    where, cells, vectors
        What is to be measured, and how.
    regions
        Regions that can be measured: words for each, by its identity.
    live
        Whether the view is measured whenever it rests.
    measure
        Whose agreement is shown.
    activity, done, total, left
        What is going on, how far it is, and words for the time left; empty where nothing is.
    answer
        What was measured last.
    view_answer, view_note
        The same of the view; why it has none.
    disagreement
        Which place of disagreement was gone to, or why there is none.
    error, notice
        What failed; what was done.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    pair: str = ""
    virtual: bool = False
    where: str = VIEW
    cells: str = "auto"
    vectors: str = "published"
    regions: dict[str, str] = field(default_factory=dict)
    live: bool = True
    measure: str = "dab_area"
    activity: str = ""
    done: int = 0
    total: int = 0
    left: str = ""
    answer: Answer | None = None
    view_answer: Answer | None = None
    view_note: str = ""
    disagreement: str = ""
    error: str = ""
    notice: str = ""


def pair_line(sides: Sides | None) -> str:
    """Return which slides are compared, and with which virtual stain."""
    if sides is None:
        return ""
    virtual = "no virtual layer" if sides.virtual is None else _virtual(sides)
    return f"{sides.aligned.moving.name} on {sides.aligned.fixed.name} · {virtual}"


def too_large(view_mm2: float) -> str:
    """Return why a view is not measured by itself."""
    return (
        f"This view is {view_mm2:.3g} mm²; by itself it is measured up to {MOST_LIVE_MM2:g} mm². "
        "Zoom in, or press Measure."
    )


def progress_line(state: CompareState) -> str:
    """Return the line beside the bar."""
    if not state.activity:
        return ""
    counted = f" {state.done} of {state.total}" if state.total else ""
    return f"{state.activity}…{counted}{state.left}"


def _virtual(sides: Sides) -> str:
    assert sides.virtual is not None
    return f"virtual {sides.virtual.info.marker} by {sides.virtual.info.model}"
