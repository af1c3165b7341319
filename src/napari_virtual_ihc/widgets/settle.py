"""Waiting, with the window alive, until everything that was asked for is on screen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.canvas import CanvasDressing
    from napari_virtual_ihc.widgets.session import Session

_QUIET = 0.35
_STEP = 0.01


def wait_until_settled(session: Session, timeout: float = 120.0, *, filled: bool = False) -> bool:
    """Run the event loop until slides are read, models prepared and every view complete.

    Parameters
    ----------
    timeout
        Seconds to wait at most.
    filled
        Also wait for slides that are being filled.

    Returns
    -------
    Whether that came in time.
    """
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + timeout
    quiet_since = time.monotonic()
    while time.monotonic() < end:
        QApplication.processEvents()
        if not _settled(session, filled):
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > _QUIET and _still_settled(session, filled):
            return True
        time.sleep(_STEP)
    return False


def _canvases(session: Session) -> list[CanvasDressing]:
    return [session.canvas, *(pane.dressing for pane in session.panes.all())]


def _still_settled(session: Session, filled: bool) -> bool:
    """Draw once more, since it is drawing that asks for what a new view lacks, and look again."""
    from qtpy.QtWidgets import QApplication

    for dressing in _canvases(session):
        dressing.overview.parentWidget().repaint()
    QApplication.processEvents()
    return _settled(session, filled)


def _settled(session: Session, filled: bool) -> bool:
    if session.busy or any(entry.facts is None for entry in session.slides()):
        return False
    if not all(dressing.resting() for dressing in _canvases(session)):
        return False
    for adapter in session.connections.all():
        progress = adapter.pyramid.progress()
        if progress.done < progress.wanted or (filled and adapter.filling()):
            return False
    return True
