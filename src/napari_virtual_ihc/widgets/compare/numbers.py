"""What the Compare page measures: a region when asked, and the view whenever it rests."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.compare.measuring import Measurer
from napari_virtual_ihc.widgets.compare.model import (
    HELD,
    MOST_LIVE_MM2,
    NO_VIRTUAL,
    STOPPED,
    too_large,
)
from napari_virtual_ihc.widgets.compare.regions import in_view, region_of
from napari_virtual_ihc.widgets.compare.saving import write_answer
from napari_virtual_ihc.widgets.translate.model import left_text
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.widgets.compare.measuring import Answer
    from napari_virtual_ihc.widgets.compare.model import CompareState
    from napari_virtual_ihc.widgets.compare.sides import SidesWatch
    from napari_virtual_ihc.widgets.session import Session

_LIVE_SQUARES = (50.0,)
_UM2_PER_MM2 = 1e6


class Numbers(QObject):
    """Measures virtual against real, away from the window.

    Parameters
    ----------
    session, watch
        The window, and what can be compared in it.
    state
        What the page shows; its answers and activity are written here only.
    seen
        Whether the page is on screen: nobody reads numbers of the view otherwise.
    """

    def __init__(
        self, session: Session, watch: SidesWatch, state: CompareState, seen: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._session, self._watch, self._state, self._seen = session, watch, state, seen
        self._measurer: Measurer | None = None
        self._work: Work[Answer] | Work[tuple[str, ...]] | None = None
        self._live: Work[Answer] | None = None
        self._begun = 0.0
        watch.changed.connect(self._on_sides_changed)
        session.camera_moved.connect(self._stop_live)
        session.camera_rested.connect(self.look)

    def measure(self) -> None:
        """Measure the region that the page names."""
        measurer, sides, state = self._ready(), self._watch.sides, self._state
        state.error, state.notice = "", ""
        if measurer is None or sides is None or state.activity:
            return
        state.answer = None
        try:
            region = region_of(self._session.viewer, state.where, sides.he.size_um)
        except VirtualIhcError as error:
            state.error = str(error)
            return
        work = Work(partial(measurer.measure, region), "measures a region")
        work.finished.connect(self._on_measured)
        self._begin(work, f"Measuring the {region.words}")

    def save(self, folder: Path, plots: bytes) -> None:
        """Write what was measured last: numbers, pictures, plots (a PNG) and the report."""
        answer, state = self._state.answer, self._state
        state.error, state.notice = "", ""
        if answer is None or state.activity:
            return
        work = Work(partial(write_answer, answer, folder, plots), "writes a report")
        work.finished.connect(partial(self._on_saved, folder))
        self._begin(work, "Writing the report")

    def cancel(self) -> None:
        """Stop measuring."""
        if self._work is not None:
            self._work.cancel()
        self._end()

    def set_choice(self, name: str, value: str) -> None:
        """Change ``cells`` or ``vectors``; the view is measured anew."""
        setattr(self._state, name, value)
        self.look()

    def set_live(self, on: bool) -> None:
        """Measure the view whenever it rests, or never."""
        self._state.live = on
        self.look()

    def look(self) -> None:
        """Measure the view, unless nobody sees it or something else is being measured."""
        self._stop_live()
        measurer, sides, state = self._ready(), self._watch.sides, self._state
        if measurer is None or sides is None or not state.live or state.activity:
            return
        if not self._seen() or sides.virtual is None:
            return
        if sides.virtual.pyramid.held:
            self._show_view(None, HELD)
            return
        try:
            region = in_view(self._session.viewer, sides.he.size_um)
        except VirtualIhcError as error:
            self._show_view(None, str(error))
            return
        view_mm2 = 0.0 if region.box is None else region.box.h * region.box.w / _UM2_PER_MM2
        if view_mm2 > MOST_LIVE_MM2:
            self._show_view(None, too_large(view_mm2))
            return
        self._session.busy.add("agreement")
        self._state.view_note = "Measuring …"
        work = partial(measurer.measure, region, squares_um=_LIVE_SQUARES)
        self._live = Work(work, "measures the view")
        self._live.finished.connect(partial(self._show_view, note=""))
        self._live.failed.connect(partial(self._show_view, None))
        self._live.start()

    def close(self) -> None:
        """Stop."""
        self.cancel()
        self._stop_live()

    def _ready(self) -> Measurer | None:
        """Return what measures the present slides in the way the page says."""
        sides, state, former = self._watch.sides, self._state, self._measurer
        if sides is None or sides.virtual is None:
            return None
        wanted = sides, state.cells, state.vectors
        if former is None or (former.sides, former.cells, former.vectors) != wanted:
            self._measurer = Measurer(*wanted)
        return self._measurer

    def _on_sides_changed(self) -> None:
        notice = STOPPED if self._state.activity else ""
        self.cancel()
        self._measurer = None
        sides = self._watch.sides
        with self._state.events.paused():
            self._state.answer = None
            self._state.error, self._state.notice = "", notice
        lacks = sides is not None and sides.virtual is None
        self._show_view(None, NO_VIRTUAL if lacks else "")
        self.look()

    def _begin(self, work: Work[Answer] | Work[tuple[str, ...]], words: str) -> None:
        self._stop_live()
        self._session.busy.add("compare")
        self._on_progress(words, 0, 0)
        work.progressed.connect(self._on_progress)
        work.failed.connect(self._on_failed)
        self._work = work
        work.start()

    def _stop_live(self) -> None:
        self._session.busy.discard("agreement")
        if self._live is not None:
            self._live.cancel()
            self._live = None

    def _show_view(self, answer: Answer | None, note: str) -> None:
        self._session.busy.discard("agreement")
        with self._state.events.paused():
            self._state.view_answer, self._state.view_note = answer, note

    def _end(self) -> None:
        self._work = None
        self._session.busy.discard("compare")
        self._on_progress("", 0, 0)

    def _on_progress(self, words: str, done: int, total: int) -> None:
        if words != self._state.activity:
            self._begun = time.monotonic()
        elapsed = time.monotonic() - self._begun
        with self._state.events.paused():
            self._state.activity, self._state.done, self._state.total = words, done, total
            self._state.left = left_text(elapsed, done / total) if total else ""

    def _on_measured(self, answer: Answer) -> None:
        self._end()
        self._state.answer = answer

    def _on_saved(self, folder: Path, names: tuple[str, ...]) -> None:
        self._end()
        more = len(names) - 2
        self._state.notice = f"Written: report.pdf, report.html and {more} more in {folder.name}."

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self._state.error = sentence
