"""A long-lived plain thread that starts again if its loop dies, and ends with the program."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Worker:
    """Runs ``loop`` on one thread until it returns; a loop that raises is reported and run again.

    Parameters
    ----------
    name
        Name of the thread.
    loop
        Returns when the work is over. Torch pools live per thread, so the thread is not recycled.
    died
        Told of the exception on the dying thread; returns whether to start again.
    """

    def __init__(
        self, name: str, loop: Callable[[], None], died: Callable[[BaseException | None], bool]
    ) -> None:
        self._name = name
        self._loop = loop
        self._died = died
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self, *, again: bool = False) -> None:
        """Start the thread where it does not run yet."""
        with self._starting:
            if self._thread is None or again:
                self._thread = threading.Thread(target=self._run, name=self._name)
                self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; return whether it ended within ``timeout`` s."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(max(timeout, 0.0))
        return not thread.is_alive()

    def _run(self) -> None:
        whole = False
        try:
            self._loop()
            whole = True
        finally:
            if not whole and self._died(sys.exc_info()[1]):
                self.start(again=True)


def program_ends() -> bool:
    """Return whether the main thread is over, so that a forgotten worker ends too."""
    return not threading.main_thread().is_alive()
