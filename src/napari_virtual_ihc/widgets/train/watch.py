"""Looks at the runs again and again, on a thread of its own, and tells what it saw."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.widgets.train.survey import Look, Survey
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.widgets.work import Progress

_SHOWN_MS, _HIDDEN_MS = 1000, 5000


class Watch(QObject):
    """Looks once a second while the page is shown, seldom while it is not.

    Parameters
    ----------
    chosen
        Returns the path of the run to look at more closely, or nothing.
    """

    looked = Signal(object)
    failed = Signal(str)

    def __init__(self, chosen: Callable[[], str]) -> None:
        super().__init__()
        self._chosen = chosen
        self._survey = Survey()
        self._again = False
        self._work: Work[Look] | None = None
        self._timer = QTimer(self, interval=_HIDDEN_MS)
        self._timer.timeout.connect(self._look_if_idle)
        self._timer.start()

    def look(self) -> None:
        """Look now; where a look is under way, once more after it."""
        self._again = self._busy()
        if not self._again:
            self._begin()

    def set_shown(self, on: bool) -> None:
        """Look often, or seldom."""
        self._timer.setInterval(_SHOWN_MS if on else _HIDDEN_MS)
        if on:
            self.look()

    def close(self) -> None:
        """Look no more."""
        if isalive(self._timer):
            self._timer.stop()
        self._again = False
        if self._work is not None:
            self._work.cancel()

    def _busy(self) -> bool:
        return self._work is not None and self._work.running()

    def _look_if_idle(self) -> None:
        if not self._busy():
            self._begin()

    def _begin(self) -> None:
        self._work = Work(partial(_look, self._survey, self._chosen()), "looks at the runs")
        self._work.finished.connect(self._on_looked)
        self._work.failed.connect(self._on_failed)
        self._work.start()

    def _on_looked(self, look: Look) -> None:
        self._end()
        self.looked.emit(look)

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self.failed.emit(sentence)

    def _end(self) -> None:
        self._work = None
        if self._again:
            self._again = False
            self._begin()


def _look(survey: Survey, chosen: str, progress: Progress) -> Look:
    return survey.look(chosen, progress.cancelled)
