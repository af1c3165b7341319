"""Where the moving slide is to lie, as people change it, and what that comes to, made away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration.judge import Judge
from napari_virtual_ihc.registration.placement import Placement
from napari_virtual_ihc.widgets.align.history import History
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Mapping as Table

    from napari_virtual_ihc.registration.landmark_fit import Way
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry

    Pair = tuple[SlideEntry, SlideEntry]

_REST_MS = 200
LEFT_OUT = "Until then the slide lies as it would without the pairs."


@dataclass(frozen=True, eq=False)
class Laid:
    """A placement and what it came to.

    Attributes
    ----------
    placement
        What was asked.
    registration
        The map.
    slide
        The moving slide on the fixed one, lazy.
    errors
        Of each pair, left out, in µm of the moving slide.
    medians
        Of these errors, for each way of using pairs; NaN where there is none.
    objection
        Why the pairs are left out of the map, where they contradict each other.
    """

    placement: Placement
    registration: Registration
    slide: Slide
    errors: tuple[float, ...]
    medians: Table[Way, float]
    objection: str = ""


class Placing(QObject):
    """The present placement of two slides; after every change its map is made anew.

    Of slides that were laid before, placement and history are kept for when one turns to them.

    Parameters
    ----------
    session
        The window.
    """

    changed = Signal()
    """Another placement holds."""
    laid = Signal(object)
    """A :class:`Laid`, of the present placement or one just before it."""
    failed = Signal(str)
    """Why the present placement cannot be laid; the last one that could be holds again."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.pair: Pair | None = None
        self._histories: dict[Pair, History[Placement]] = {}
        self._judge: Judge | None = None
        self._work: Work[Laid] | None = None
        self._again = False
        self._last: Placement | None = None
        self._timer = QTimer(self, singleShot=True, interval=_REST_MS)
        self._timer.timeout.connect(self._make)

    @property
    def _history(self) -> History[Placement] | None:
        return None if self.pair is None else self._histories.get(self.pair)

    @property
    def now(self) -> Placement | None:
        """The present placement, None before there is one."""
        return None if self._history is None else self._history.now

    @property
    def can_undo(self) -> bool:
        """Whether something can be undone."""
        return self._history is not None and self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether something undone can be taken back."""
        return self._history is not None and self._history.can_redo

    @property
    def pending(self) -> bool:
        """Whether the map of the present placement is still to come."""
        return self._work is not None or bool(self._timer.isActive())

    def turn_to(self, pair: Pair | None) -> None:
        """Go on with what was laid of these two slides, or with nothing."""
        if pair == self.pair:
            return
        self.close()
        self.pair, self._last = pair, None
        if pair is None or self.now is None:
            self.changed.emit()
        else:
            self._judge = Judge(pair[0].slide, pair[1].slide)
            self._changed(0)

    def begin(
        self, base: Registration, fixed: SlideEntry, moving: SlideEntry, way: Way = "correct"
    ) -> None:
        """Start from a map, with the pairs it was kept with; else those marked before stay.

        Pairs that only measure go on doing that; others do with the new map what ``way`` says.
        """
        self.turn_to((fixed, moving))
        placement, history = base.placement or Placement(base, way=way), self._history
        if history is None:
            self._histories[fixed, moving] = History(placement)
        elif placement.marked.count:
            history.do(placement)
        else:
            now = history.now
            kept = now.way if now.way == "measure" else way
            history.do(replace(placement, marked=now.marked, way=kept))
        self._judge = Judge(fixed.slide, moving.slide)
        self._changed(0)

    def keep(self, entries: Collection[SlideEntry]) -> None:
        """Drop what is kept of slides that are not among ``entries``."""
        for pair in [pair for pair in self._histories if not set(pair) <= set(entries)]:
            del self._histories[pair]

    def put(self, placement: Placement, *, joins: bool = False) -> None:
        """Take another placement; one that ``joins`` is undone together with the last one."""
        if self._history is not None:
            self._history.do(placement, joins=joins)
            self._changed(_REST_MS)

    def undo(self) -> None:
        """Go back by one."""
        if self._history is not None:
            self._history.undo()
            self._changed(0)

    def redo(self) -> None:
        """Take back what was undone."""
        if self._history is not None:
            self._history.redo()
            self._changed(0)

    def forget(self) -> None:
        """Drop what was laid of the present slides, as when the scale of one is another."""
        self.close()
        if self.pair is not None:
            self._histories.pop(self.pair, None)
        self._last = None
        self.changed.emit()

    def close(self) -> None:
        """Make nothing more."""
        if isalive(self._timer):
            self._timer.stop()
        self._again = False
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self._session.busy.discard("placing")

    def _changed(self, wait_ms: int) -> None:
        self._session.busy.add("placing")
        self._timer.start(wait_ms)
        self.changed.emit()

    def _make(self) -> None:
        self._again = self._work is not None
        if self._again or self.now is None or self._judge is None:
            return
        work = Work(partial(_lay, self.now, self._judge), "lays a slide")
        work.finished.connect(self._on_finished)
        work.failed.connect(self._on_failed)
        self._work = work.start()

    def _on_finished(self, laid: Laid) -> None:
        if self._end():
            self._last = laid.placement
            self.laid.emit(laid)

    def _on_failed(self, sentence: str) -> None:
        if self._end():
            self._go_back()
            self.failed.emit(sentence)

    def _go_back(self) -> None:
        """Let the placement hold that is on screen."""
        if self._history is not None and self._last is not None and not self.pending:
            self._history.do(self._last, joins=True)
            self.changed.emit()

    def _end(self) -> bool:
        """Note that the work is done, go on with what was asked meanwhile; whether it counts."""
        counts = self._work is not None
        self._work = None
        if self._again:
            self._make()
        elif not self._timer.isActive():
            self._session.busy.discard("placing")
        return counts


def _lay(placement: Placement, judge: Judge, _progress: object) -> Laid:
    """Lay the slide in any case: pairs are mended where it is seen, so bad ones are left out."""
    from napari_virtual_ihc.registration.placement import medians, registration_of
    from napari_virtual_ihc.registration.warp import warp

    objection = ""
    try:
        found = registration_of(placement, judge)
    except RegistrationError as error:
        found = registration_of(replace(placement, way="measure"), judge)
        objection = f"{error} {LEFT_OUT}"
    errors, slide = tuple(placement.errors()), warp(found, judge.moving)
    return Laid(placement, found, slide, errors, medians(placement), objection)
