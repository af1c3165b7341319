"""Which place of disagreement comes next, and what is said of it; no Qt in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.figures import number
from napari_virtual_ihc.widgets.camera import PRESETS, Box

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.disagreement import Disagreement
    from napari_virtual_ihc.widgets.compare.measuring import Answer
    from napari_virtual_ihc.widgets.compare.model import CompareState

NO_NUMBERS = (
    "No numbers yet: let the view be measured, or press Measure; then the places where virtual and "
    "real differ most are known."
)
NO_DIFFERENCE = "No comparable square that was measured differs in DAB area."
_LEAST_PX = 100.0


class Walk:
    """Goes from one place of disagreement to the next, and begins anew after the last.

    A region that was measured is gone through; else the view is, as it was measured when the walk
    began, for as long as one stays near it: the walk itself moves the view.
    """

    def __init__(self) -> None:
        self._of: Answer | None = None
        self._next = 0

    def step(self, state: CompareState, seen: Box) -> tuple[Disagreement | None, str]:
        """Return the next place and a sentence on it, or why there is none.

        Parameters
        ----------
        seen
            What is in view, µm.
        """
        answer = state.answer or self._view_walked(seen) or state.view_answer
        if answer is None:
            return None, NO_NUMBERS
        if answer is not self._of:
            self._of, self._next = answer, 0
        if not answer.disagreements:
            return None, NO_DIFFERENCE
        place, count = self._next, len(answer.disagreements)
        self._next = (place + 1) % count
        found = answer.disagreements[place]
        return found, sentence(found, place + 1, count)

    def _view_walked(self, seen: Box) -> Answer | None:
        box = None if self._of is None else self._of.region.box
        if box is None:
            return None
        measured = Box(box.y, box.x, box.y + box.h, box.x + box.w)
        return self._of if measured.intersects(seen) else None


def sentence(found: Disagreement, place: int, count: int) -> str:
    """Return which place it is, and what both slides have there."""
    return (
        f"Disagreement {place} of {count}: DAB area {number(found.virtual)} % virtual, "
        f"{number(found.real)} % real, in a square of {found.square_um:g} µm."
    )


def magnification_for(square_um: float, present: float) -> float:
    """Return the present magnification, or the least preset that shows a square in 100 px."""
    enough = (one for one in PRESETS if one * square_um / 10 >= _LEAST_PX)
    return max(present, next(enough, PRESETS[-1]))
