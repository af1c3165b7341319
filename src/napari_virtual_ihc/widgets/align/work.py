"""One registration at a time, found or read away from the window, with its steps on the page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.widgets.align.finding import Finder
    from napari_virtual_ihc.widgets.align.model import AlignState
    from napari_virtual_ihc.widgets.align.placing import Pair
    from napari_virtual_ihc.widgets.session import Session

_BUSY = "align"


class Finding(QObject):
    """Runs a finder on two slides; its steps go to the state.

    Parameters
    ----------
    session, state
        The window, and the page's state.
    """

    found = Signal(object)
    """A registration of :attr:`pair`."""
    failed = Signal(str)

    def __init__(self, session: Session, state: AlignState) -> None:
        super().__init__()
        self._session, self._state = session, state
        self.pair: Pair | None = None
        self._work: Work[Registration] | None = None

    def start(self, words: str, find: Finder, pair: Pair) -> None:
        """Find or read a registration of these slides; ``words`` say what is going on."""
        self.pair = fixed, moving = pair
        self._session.busy.add(_BUSY)
        self._tell(words, 0, 0)
        work = Work(partial(find, fixed.slide, moving.slide, words), "registers two slides")
        work.progressed.connect(self._on_progress)
        work.finished.connect(self._on_finished)
        work.failed.connect(self._on_failed)
        self._work = work.start()

    def cancel(self) -> None:
        """Stop what is going on."""
        self.close()
        self._tell("", 0, 0)

    def close(self) -> None:
        """Stop, and tell nothing more."""
        if self._work is not None:
            self._work.cancel()
        self._end()

    def _end(self) -> bool:
        """Note that nothing is going on; return whether something was."""
        went_on, self._work = self._work is not None, None
        self._session.busy.discard(_BUSY)
        return went_on

    def _on_progress(self, words: str, done: int, total: int) -> None:
        """Show a step, unless it arrives after what it belongs to was stopped."""
        if self._work is not None:
            self._tell(words, done, total)

    def _on_finished(self, registration: Registration) -> None:
        if self._end():
            self._tell("", 0, 0)
            self.found.emit(registration)

    def _on_failed(self, sentence: str) -> None:
        if self._end():
            self._tell("", 0, 0)
            self.failed.emit(sentence)

    def _tell(self, words: str, done: int, total: int) -> None:
        with self._state.events.paused():
            self._state.activity, self._state.done, self._state.total = words, done, total
