"""A layout brought back into a window, layer by layer, since each comes when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.widgets.review.layout import display, named_layers
from napari_virtual_ihc.widgets.views.mixing_model import Way

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.comparison.review_layout import LayerName, ReviewLayout
    from napari_virtual_ihc.widgets.session import Session

    Named = dict[LayerName, Image]

BUSY = "layout"
_LOOK_MS = 100
_QUIET_LOOKS = 15
"""So often in a row nothing may be going on until what has not come is given up."""


class Restoring(QObject):
    """Arranges the canvases of a window at once, and shows in them what comes.

    Parameters
    ----------
    session
        The window.
    layout
        How it is to look.
    """

    ended = Signal(object)
    """The layers (a tuple of their names) that did not come."""

    def __init__(self, session: Session, layout: ReviewLayout) -> None:
        super().__init__()
        self._session, self._layout = session, layout
        self._wanted = layout.layers()
        self._come: Named = {}
        self._quiet = 0
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._look)

    def start(self) -> None:
        """Have as many canvases as there were, and wait for their layers."""
        panes = self._session.panes
        self._session.mixing.stop()
        panes.grid = self._layout.grid
        panes.arrange(len(self._layout.canvases))
        if self._layout.canvases[0].layer is None:
            panes.show_own(None)
        self._session.busy.add(BUSY)
        self._timer.start()

    def stop(self) -> None:
        """Leave the window as it is now."""
        self._timer.stop()
        self._session.busy.discard(BUSY)

    def _look(self) -> None:
        """Show what has come; end when all is there, or when nothing more will come."""
        named = named_layers(self._session)
        come = {name: named[name] for name in self._wanted & named.keys()}
        new = {name: one for name, one in come.items() if self._come.get(name) is not one}
        self._come = come
        self._display(new)
        self._show(new)
        working = self._session.busy - {BUSY} or self._unread()
        self._quiet = 0 if new or working else self._quiet + 1
        if not working and (come.keys() == self._wanted or self._quiet >= _QUIET_LOOKS):
            self._end()

    def _unread(self) -> bool:
        return any(entry.facts is None for entry in self._session.slides())

    def _display(self, new: Named) -> None:
        for wanted in self._layout.displays:
            if wanted.layer in new:
                display(self._session, new[wanted.layer], wanted)

    def _show(self, new: Named) -> None:
        """Show layers that have come in the canvases that showed them."""
        panes = self._session.panes
        own, *others = self._layout.canvases
        if own.layer in new:
            panes.show_own(new[own.layer])
        for pane, canvas in zip(panes.all(), others, strict=False):
            if canvas.layer in new:
                panes.show(pane, new[canvas.layer])

    def _end(self) -> None:
        self.stop()
        self._link()
        self._mix()
        self.ended.emit(tuple(sorted(self._wanted - self._come.keys(), key=str)))

    def _link(self) -> None:
        """Let panes look elsewhere, or alone, once nothing links them anew any more."""
        panes = self._session.panes
        for pane, canvas in zip(panes.all(), self._layout.canvases[1:], strict=False):
            if canvas.layer in self._come:
                pane.set_shift(canvas.shift_um)
                pane.follow(self._session.viewer)
                pane.set_linked(canvas.linked)

    def _mix(self) -> None:
        mix, come = self._layout.mix, self._come
        if mix is not None and mix.first in come and mix.second in come:
            mixing = self._session.mixing
            mixing.set_pair(come[mix.first], come[mix.second])
            mixing.start(Way(mix.way))
            mixing.set_share(mix.share)
