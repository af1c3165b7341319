"""One canvas leads, the others follow when it is drawn."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_virtual_ihc.widgets.views.pane import Pane

_FOLLOW_MS = 8
"""Long enough for the leading canvas to be drawn before the others are."""


class Following(QObject):
    """Lets canvases look where one of them looks.

    Parameters
    ----------
    main
        The window's own viewer, held weakly.
    panes
        The others; a list that changes.
    """

    def __init__(self, main: ViewerModel, panes: list[Pane]) -> None:
        super().__init__()
        self._main, self._panes = weakref.ref(main), panes
        self._leader: Pane | None = None
        self._busy = False
        self._soon = QTimer(self, singleShot=True, interval=_FOLLOW_MS)
        self._soon.timeout.connect(self._follow)

    def main_moved(self) -> None:
        """Let all panes look where the window's own canvas looks."""
        self._lead(None)

    def pane_moved(self, pane: Pane) -> None:
        """Let the others look where a pane looks."""
        self._lead(pane)

    def forget(self) -> None:
        """Follow no pane that is gone."""
        self._leader = None

    def _lead(self, leader: Pane | None) -> None:
        """Follow soon; a pane that is only resized does not lead where the window's own moved."""
        if self._panes and not self._busy:
            if leader is None or not self._soon.isActive():
                self._leader = leader
            self._soon.start()

    def _follow(self) -> None:
        main = self._main()
        self._busy, leader, self._leader = True, self._leader, None
        if main is not None:
            if leader is not None and leader in self._panes:
                leader.lead(main)
            for pane in self._panes:
                if pane is not leader:
                    pane.follow(main)
        self._busy = False
