"""What the Align page shows, without Qt: its state and its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

from napari_virtual_ihc.registration.placement import REST, Pose
from napari_virtual_ihc.widgets.align.stage_model import shown_row

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.landmark_fit import Way
    from napari_virtual_ihc.registration.registration import Registration, StageResult
    from napari_virtual_ihc.widgets.align.stage_model import StageRow
    from napari_virtual_ihc.widgets.scale_model import KnownScale

NO_PAIR = (
    "Open the H&E and a real IHC slide of the next section; then the one is laid onto the other."
)
BY_PEOPLE = "It can still be laid: by marked pairs, or by hand, below."
GONE = (
    "The slide laid onto the H&E is taken off: one of the two was closed or has another scale now."
)
LAYING = "Laying the slide anew…"
RESAMPLING = "Resampling the real IHC…"
BY_WHOM = {"hand": "Moving by hand", "landmarks": "The pairs"}
_MUCH = 0.1


@dataclass
class AlignState:
    """One field for each thing on the page; ``events`` tells of every change.

    Attributes
    ----------
    fixed
        Name of the H&E.
    others
        Names of the slides that can be laid onto it.
    moving_scale
        What is known of the scale of the slide to be laid.
    moving
        Index among ``others``, −1 for none.
    activity, done, total
        What is going on, and how far it is; empty where nothing is.
    result
        What the last registration found beside its stages.
    stages, stage
        Its stages, and which of them is shown; −1 where there is none.
    registered
        Whether there is a registration to save.
    laying, resampling
        Whether a changed placement is not laid yet; whether what was laid is not on screen yet.
    caution, error, notice
        What may be wrong with the fit; what failed; what was done.
    can_undo, can_redo
        Whether there is something to undo, or to take back.
    marking
        Whether clicks on the canvas mark pairs.
    marked
        How many points are marked on each slide.
    errors
        Of each pair in µm, from a map made without it; NaN where there is none.
    medians
        Median of these for each way of using the pairs.
    way
        What the pairs do.
    pose, moved
        How the slide was moved by hand, and whether it was.
    dragging
        Whether drags on the canvas move it.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    fixed: str = ""
    others: tuple[str, ...] = ()
    moving: int = -1
    moving_scale: KnownScale | None = None
    activity: str = ""
    done: int = 0
    total: int = 0
    result: str = ""
    stages: tuple[StageRow, ...] = ()
    stage: int = -1
    registered: bool = False
    laying: bool = False
    resampling: bool = False
    caution: str = ""
    error: str = ""
    notice: str = ""
    can_undo: bool = False
    can_redo: bool = False
    marking: bool = False
    marked: tuple[int, int] = (0, 0)
    errors: tuple[float, ...] = ()
    medians: tuple[tuple[Way, float], ...] = ()
    way: Way = "correct"
    pose: Pose = REST
    moved: bool = False
    dragging: bool = False


def agreement(found: Registration) -> str:
    """Return how much of the section agrees with a map, empty where that is not known."""
    if found.agreeing is None:
        return ""
    return f"{100 * found.agreeing:.0f} % of the squares agree with the map."


def result_words(state: AlignState) -> str:
    """Return what is under the stages: how the map fits that is seen, and what is still to come."""
    if state.laying:
        return LAYING
    seen = state.stage == shown_row(state.stages)
    return " ".join(filter(None, (state.result if seen else "", RESAMPLING * state.resampling)))


def caution(found: Registration) -> str:
    """Return what may be wrong with a map: what registration notes, and what people made worse."""
    return " ".join([*found.notes, *filter(None, map(_worse, found.stages[-1:]))])


def _worse(stage: StageResult) -> str:
    if stage.name not in BY_WHOM or stage.before is None or stage.after is None:
        return ""
    if stage.after > stage.before - _MUCH:
        return ""
    fall = f"from {stage.before:.2f} to {stage.after:.2f}"
    return f"{BY_WHOM[stage.name]} made the likeness fall {fall}; look again, or undo."


def progress_words(state: AlignState) -> str:
    """Return the line beside the bar."""
    if not state.activity:
        return ""
    return f"{state.activity}…" + (f" {state.done} of {state.total}" if state.total else "")
