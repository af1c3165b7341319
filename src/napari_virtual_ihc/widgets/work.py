"""Work away from the window: one plain thread each, its outcome told on the window's thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.errors import Cancelled, VirtualIhcError
from napari_virtual_ihc.tiles.threads import step_back

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_NICENESS = 10


class Progress:
    """What a piece of work is given: where to report its steps, and whether it is still wanted."""

    def __init__(self, report: Callable[[str, int, int], None]) -> None:
        self._report = report
        self._stop = threading.Event()

    def __call__(self, text: str, done: int = 0, total: int = 0) -> None:
        """Report ``done`` of ``total`` steps.

        Raises
        ------
        Cancelled
            If the work is no longer wanted.
        """
        if self._stop.is_set():
            raise Cancelled
        self._report(text, done, total)

    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._stop.set()

    def cancelled(self) -> bool:
        """Whether the work should stop."""
        return self._stop.is_set()


class Work(QObject, Generic[T]):
    """A function run once on its own thread.

    The signals ``progressed(text, done, total)``, ``finished(result)`` and ``failed(sentence)``
    arrive on the thread that made the object; after :meth:`cancel` none of them does.

    Parameters
    ----------
    function
        Called with a :class:`Progress`; may raise :class:`VirtualIhcError` or ``OSError``, whose
        text becomes the sentence of ``failed``.
    name
        Name of the thread.
    """

    progressed = Signal(str, int, int)
    finished = Signal(object)
    failed = Signal(str)
    _stepped = Signal(str, int, int)
    _ended = Signal(object, object)
    """The same as they leave the thread; what is cancelled on its way is not passed on."""

    def __init__(self, function: Callable[[Progress], T], name: str) -> None:
        super().__init__()
        self._function = function
        self._progress = Progress(self._stepped.emit)
        self._stepped.connect(self._pass_on)
        self._ended.connect(self._deliver)
        self._thread = threading.Thread(target=self._run, name=f"virtual-ihc {name}", daemon=True)

    def start(self) -> Work[T]:
        """Start the thread and return the work itself."""
        self._thread.start()
        return self

    def cancel(self) -> None:
        """Stop at the next step; nothing is told any more."""
        self._progress.cancel()
        if isalive(self):
            self.blockSignals(True)

    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> bool:
        """Wait for the end at most ``seconds``; return whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        step_back(_NICENESS)
        try:
            result = self._function(self._progress)
        except Cancelled:
            return
        except (VirtualIhcError, OSError) as error:
            self._tell(None, str(error))
            return
        self._tell(result, None)

    def _tell(self, result: T | None, sentence: str | None) -> None:
        if not self._progress.cancelled() and isalive(self):
            self._ended.emit(result, sentence)

    def _pass_on(self, text: str, done: int, total: int) -> None:
        if not self._progress.cancelled():
            self.progressed.emit(text, done, total)

    def _deliver(self, result: T | None, sentence: str | None) -> None:
        if self._progress.cancelled():
            return
        if sentence is None:
            self.finished.emit(result)
        else:
            self.failed.emit(sentence)
