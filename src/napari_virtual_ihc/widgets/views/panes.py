"""Linked panes: one to four canvases over the same world, each with its own layer."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QEvent, QObject, Signal

from napari_virtual_ihc.widgets.keys import bind_keys
from napari_virtual_ihc.widgets.layers import HIDDEN
from napari_virtual_ihc.widgets.views.choosing import base_of, next_to_see, replaces, secret
from napari_virtual_ihc.widgets.views.following import Following
from napari_virtual_ihc.widgets.views.links import link_of
from napari_virtual_ihc.widgets.views.own_canvas import OwnCanvas
from napari_virtual_ihc.widgets.views.pane import Pane
from napari_virtual_ihc.widgets.views.solo import images
from napari_virtual_ihc.widgets.views.tiling import Tiling

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.qt import QtViewer

    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry


class Panes(QObject):
    """The canvases of one window beside its own; with none of them the window is as napari made it.

    While there are panes, the window's own canvas shows one layer alone too, chosen like theirs.

    Parameters
    ----------
    session
        Of the window.
    window
        The canvas part of it, in which panes are put.
    """

    changed = Signal()
    """There are more panes or fewer, or they stand otherwise."""

    def __init__(self, session: Session, window: QtViewer) -> None:
        super().__init__(window)
        self._session = weakref.ref(session)
        self._panes: list[Pane] = []
        self._tiling = Tiling(window)
        self._own = OwnCanvas(window)
        self.head, self.solo = self._own.head, self._own.solo
        self.grid = True
        self._following = Following(session.viewer, self._panes)
        self._listen(session)
        window.installEventFilter(self)

    def all(self) -> list[Pane]:
        """Return the panes, as one reads them: left to right, the upper row first."""
        return list(self._panes)

    def arrange(self, count: int) -> None:
        """Have ``count`` canvases, 1 to 4, the window's own included."""
        if count > 1:
            self._known.mixing.stop()
        before = len(self._panes)
        while len(self._panes) > count - 1:
            self._panes.pop().close()
        while len(self._panes) < count - 1:
            self._open()
        if before and not self._panes:
            self.head.hide()
            self.show_own(None)
        self._tile()
        self.changed.emit()

    def set_grid(self, on: bool) -> None:
        """Have three or four canvases in two rows, or all in one."""
        self.grid = on
        self._tile()
        self.changed.emit()

    def toggle(self) -> None:
        """Have two canvases side by side, or the window's own alone."""
        self.arrange(1 if self._panes else 2)

    def swap(self) -> None:
        """Let the window's own canvas and the first pane change layers."""
        own, pane = self.own(), self._panes[0] if self._panes else None
        if own is not None and pane is not None and pane.layer is not None:
            self.show_own(pane.layer)
            self.show(pane, own)

    def toggle_overviews(self) -> None:
        """Hide the overview in every canvas, or show it again."""
        for dressing in (self._known.canvas, *(pane.dressing for pane in self._panes)):
            dressing.toggle_overview()

    def viewers(self) -> list[ViewerModel]:
        """Return the viewers of all canvases, the window's own first."""
        return [self._known.viewer, *(pane.viewer for pane in self._panes)]

    def own(self) -> Image | None:
        """Return the layer shown alone in the window's own canvas, None for all as in the list."""
        return self._own.layer

    def show_own(self, layer: Image | None) -> None:
        """Show one layer alone in the window's own canvas; all as in the list where None."""
        self._own.show(layer, base_of(self._known))
        self._offer()

    def show(self, pane: Pane, layer: Image | None) -> None:
        """Show a layer of the window's viewer in a pane, or nothing."""
        pane.set_link(link_of(layer, self._known.aligned))
        pane.show_layer(layer, base_of(self._known))
        pane.follow(self._known.viewer)
        self._show_slides()
        self._offer()

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Close the panes with the window."""
        if event is not None and event.type() == QEvent.Type.Close:
            while self._panes:
                self._panes.pop().close()
            self._following.forget()
        return False

    def _listen(self, session: Session) -> None:
        self._own.chosen.connect(self._on_own_chosen)
        session.camera_moved.connect(self._following.main_moved)
        session.tiles_changed.connect(self._on_tiles_changed)
        session.slides_changed.connect(self._show_slides)
        session.blinded.connect(self._offer)
        session.aligned_changed.connect(self._on_aligned)
        session.layer_connected.connect(self._on_connected)
        layers = session.viewer.layers.events
        layers.inserted.connect(self._on_inserted)
        layers.removed.connect(self._on_removed)
        layers.reordered.connect(self._offer)

    @property
    def _known(self) -> Session:
        session = self._session()
        if session is None:
            raise RuntimeError("The session of these panes is gone.")
        return session

    def _images(self) -> list[Image]:
        return images(self._known.viewer)

    def _open(self) -> None:
        """Add a pane with what is not seen yet."""
        session, base = self._known, base_of(self._known)
        if not self._panes:
            self.head.show()
            self.show_own(base)
        pane = Pane(session.connections, session.viewer)
        pane.moved.connect(self._following.pane_moved)
        pane.head.chosen.connect(partial(self._on_chosen, weakref.ref(pane)))
        pane.head.link_wanted.connect(pane.set_linked)
        pane.head.close_requested.connect(partial(self._on_closed, weakref.ref(pane)))
        bind_keys(session, pane.viewer)
        self._panes.append(pane)
        self._tile()
        shown = [self.own(), *(one.layer for one in self._panes[:-1])]
        self.show(pane, next_to_see(self._images(), shown, base))

    def _tile(self) -> None:
        self._tiling.place([pane.window for pane in self._panes], grid=self.grid)

    def _offer(self, _event: object = None) -> None:
        """Name the layers in the head of every canvas."""
        layers, blind = self._images(), self._known.blind
        names = [f"{layer.name}{HIDDEN * (blind and secret(layer))}" for layer in layers]
        own = self.own()
        self._own.offer(names, layers.index(own) if own in layers else -1)
        for pane in self._panes:
            pane.head.offer(names, layers.index(pane.layer) if pane.layer in layers else -1)

    def _show_slides(self) -> None:
        for pane in self._panes:
            pane.show_slide(self._entry_of(pane.layer))

    def _entry_of(self, layer: Image | None) -> SlideEntry | None:
        """Return the slide that a layer shows, else the chosen one, on which it lies."""
        entries = self._known.slides()
        return next((one for one in entries if one.layer() is layer), self._known.chosen)

    def _on_own_chosen(self, index: int) -> None:
        self.show_own(self._images()[index] if index >= 0 else None)

    def _on_chosen(self, which: weakref.ref[Pane], index: int) -> None:
        pane = which()
        if pane is not None:
            self.show(pane, self._images()[index])

    def _on_closed(self, which: weakref.ref[Pane]) -> None:
        pane = which()
        if pane is not None:
            self._panes.remove(pane)
            self._panes.append(pane)
            self.arrange(len(self._panes))

    def _on_tiles_changed(self) -> None:
        for pane in self._panes:
            pane.dressing.label_soon()

    def _on_aligned(self) -> None:
        """Link a pane anew that shows a scan which is registered now, or was."""
        for pane in self._panes:
            wanted = link_of(pane.layer, self._known.aligned)
            if not (pane.link.on_he and wanted.on_he):
                self.show(pane, pane.layer)

    def _on_inserted(self, event: Any) -> None:
        own = self.own()
        if own is not None and isinstance(event.value, Image):
            self.show_own(own)
        self._offer()

    def _on_connected(self, layer: Image) -> None:
        """Show a new layer where it takes the place of another, or where nothing else was left."""
        own, base = self.own(), base_of(self._known)
        spare = [pane for pane in self._panes if pane.layer is base and own is base]
        if replaces(layer, own):
            self._own.cover(layer)
        for pane in self._panes:
            if replaces(layer, pane.layer):
                pane.cover(layer)
            elif pane in spare[:1] and layer is not base:
                self.show(pane, layer)
        self._offer()

    def _on_removed(self, event: Any) -> None:
        base = base_of(self._known)
        for pane in self._panes:
            pane.forget(event.value)
            if pane.layer is event.value:
                self.show(pane, base)
        if self.own() is event.value:
            self.show_own(base)
        self._offer()
