"""Leaving in order: before the process ends, windows are closed and threads are awaited.

Left alone, Qt deletes what Python owns in any order, so that a page is closed whose timers are
gone; and Python ends its threads wherever they are, which aborts the process within a library.
"""

from __future__ import annotations

import atexit
import threading
import time
from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.window import open_windows

if TYPE_CHECKING:
    from napari.qt import QtViewer

THREADS = "virtual-ihc"
"""How the name of each thread of a window begins."""
_PATIENCE_S = 30.0


def leave_in_order() -> None:
    """See to it that the process leaves in order; once is enough, and twice does no harm."""
    atexit.unregister(_leave)
    atexit.register(_leave)


def _leave() -> None:
    for window in list(open_windows()):
        _close(window)
    _delete_closed()
    _await_threads(_PATIENCE_S)


def _close(window: QtViewer) -> None:
    """Close the window around a canvas; a viewer that has a window of its own closes that."""
    close = getattr(window.viewer, "close", window.window().close)
    close()


def _delete_closed() -> None:
    """Delete what is closed; without an event loop it would wait for one."""
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is not None:
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def _await_threads(seconds: float) -> None:
    """Wait for the threads of windows, which were told to stop, so long at most."""
    end = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread.name.startswith(THREADS) and thread is not threading.current_thread():
            thread.join(max(end - time.monotonic(), 0.0))
