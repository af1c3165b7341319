"""A long-lived plain thread that starts again if its loop dies, and ends with the program."""

from __future__ import annotations

import os
import sys
import threading
import time
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
        Told of the exception on the dying thread; returns whether to start again, which the new
        thread does once the dying one is gone and `threading.excepthook` was told.
    niceness
        See :func:`step_back`.
    """

    def __init__(
        self,
        name: str,
        loop: Callable[[], None],
        died: Callable[[BaseException | None], bool],
        niceness: int = 0,
    ) -> None:
        self._niceness = niceness
        self._name = name
        self._loop = loop
        self._died = died
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self, *, again: bool = False) -> None:
        """Start the thread where it does not run yet."""
        with self._starting:
            if self._thread is None or again:
                former = self._thread
                self._thread = threading.Thread(target=self._run, args=(former,), name=self._name)
                self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the thread, and for those it follows; return whether in ``timeout`` s."""
        end = time.monotonic() + timeout
        ended: threading.Thread | None = None
        while (thread := self._thread) is not None and thread is not ended:
            if thread is threading.current_thread():
                return True
            thread.join(max(end - time.monotonic(), 0.0))
            if thread.is_alive():
                return False
            ended = thread
        return True

    def _run(self, former: threading.Thread | None) -> None:
        if former is not None:
            former.join()
        whole = False
        step_back(self._niceness)
        try:
            self._loop()
            whole = True
        finally:
            if not whole and self._died(sys.exc_info()[1]):
                self.start(again=True)


def step_back(niceness: int) -> None:
    """Let other threads go first: raise the calling thread's niceness, and that of its children.

    So a window's thread, and what draws for it, is not held up by a model on every core. Only Linux
    knows a niceness of threads; elsewhere nothing happens.

    Parameters
    ----------
    niceness
        Added to that of the process, 0 to 19.
    """
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, thread, min(now + niceness, 19))


def program_ends() -> bool:
    """Return whether the main thread is over, so that a forgotten worker ends too."""
    return not threading.main_thread().is_alive()
