"""Seeing to it that nothing virtual is seen: layers are hidden, and hidden again when shown."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_virtual_ihc.widgets.views.choosing import secret

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_virtual_ihc.widgets.session import Session


class Blind(QObject):
    """Hides virtual layers, and maps made of them, in every canvas of a window.

    Parameters
    ----------
    session
        The window.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._hidden: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._viewers: list[ViewerModel] = []
        self.on = False

    def begin(self) -> None:
        """Hide everything virtual from now on."""
        self.on = True
        self._session.mixing.stop()
        self._session.panes.changed.connect(self._watch)
        self._watch()
        self._session.set_blind(True)

    def end(self) -> None:
        """Show again what was hidden."""
        if not self.on:
            return
        self.on = False
        self._session.panes.changed.disconnect(self._watch)
        for viewer in self._viewers:
            viewer.layers.events.inserted.disconnect(self._on_inserted)
            for layer in viewer.layers:
                layer.events.visible.disconnect(self._enforce)
        self._viewers = []
        self._session.mixing.stop()
        self._show_again()
        self._session.set_blind(False)

    def _show_again(self) -> None:
        """Let everything be seen, but in a canvas that shows another layer alone by now."""
        panes = self._session.panes
        for layer in list(self._hidden):
            if layer in self._session.viewer.layers:
                panes.solo.set_visible(layer, on=True)
            else:
                layer.visible = True
        self._hidden.clear()
        own = panes.own()
        if own is not None:
            panes.show_own(own)

    def _watch(self) -> None:
        """Watch every canvas there is."""
        for viewer in self._session.panes.viewers():
            if viewer not in self._viewers:
                self._viewers.append(viewer)
                viewer.layers.events.inserted.connect(self._on_inserted)
                for layer in viewer.layers:
                    self._take(layer)

    def _on_inserted(self, event: Any) -> None:
        self._take(event.value)

    def _take(self, layer: Layer) -> None:
        if secret(layer):
            layer.events.visible.connect(self._enforce)
            self._hide(layer)

    def _enforce(self, event: Any) -> None:
        if self.on:
            self._hide(event.source)

    def _hide(self, layer: Layer) -> None:
        if layer.visible:
            self._hidden.add(layer)
            layer.visible = False
