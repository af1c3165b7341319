"""Linked panes: one to four canvases side by side over the same world, each with its own layer."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QEvent, QObject, Qt, Signal

from napari_virtual_ihc.widgets.keys import bind_keys
from napari_virtual_ihc.widgets.views.choosing import next_to_see, over_base, replaces, secret
from napari_virtual_ihc.widgets.views.following import Following
from napari_virtual_ihc.widgets.views.links import Straight, Through
from napari_virtual_ihc.widgets.views.pane import Pane
from napari_virtual_ihc.widgets.views.pane_head import PaneHead
from napari_virtual_ihc.widgets.views.solo import Solo, images

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.qt import QtViewer

    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry

MOST = 4
HIDDEN = " · hidden"
ALL_LAYERS = "layers as in the list"


class Panes(QObject):
    """The canvases of one window beside its own; with none of them the window is as napari made it.

    While there are panes, the window's own canvas shows one layer alone too, chosen like theirs.

    Parameters
    ----------
    session
        Of the window.
    window
        The canvas part of it, to whose right panes are put.
    """

    changed = Signal()
    """There are more panes or fewer."""

    def __init__(self, session: Session, window: QtViewer) -> None:
        super().__init__(window)
        self._session = weakref.ref(session)
        self._window_ref = weakref.ref(window)
        self._panes: list[Pane] = []
        self._solo = Solo(session.viewer)
        self._own: weakref.ref[Image] | None = None
        self._following = Following(session.viewer, self._panes)
        self.head = PaneHead(closable=False)
        self.head.hide()
        self.head.chosen.connect(self._on_own_chosen)
        window.widget(0).layout().insertWidget(0, self.head)
        session.camera_moved.connect(self._following.main_moved)
        session.tiles_changed.connect(self._on_tiles_changed)
        session.slides_changed.connect(self._show_slides)
        session.blinded.connect(self._offer)
        session.aligned_changed.connect(self._on_aligned)
        session.layer_connected.connect(self._on_connected)
        session.viewer.layers.events.inserted.connect(self._on_inserted)
        session.viewer.layers.events.removed.connect(self._on_removed)
        session.viewer.layers.events.reordered.connect(self._offer)
        window.installEventFilter(self)

    def all(self) -> list[Pane]:
        """Return the panes, left to right."""
        return list(self._panes)

    def arrange(self, count: int) -> None:
        """Have ``count`` canvases side by side, 1 to 4, the window's own included."""
        if count > 1:
            self._known.mixing.stop()
        before = len(self._panes)
        while len(self._panes) > count - 1:
            self._panes.pop().close()
        while len(self._panes) < count - 1:
            self._open()
        if before and not self._panes:
            self._end()
        self._share_width()
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
        return None if self._own is None else self._own()

    def show_own(self, layer: Image | None) -> None:
        """Show one layer alone in the window's own canvas; all as in the list where None."""
        self._own = None if layer is None else weakref.ref(layer)
        if layer is None:
            self._solo.restore()
        else:
            self._solo.show(over_base(layer, self._base()))
        self._offer()

    def show(self, pane: Pane, layer: Image) -> None:
        """Show a layer of the window's viewer in a pane."""
        pane.set_link(self._link_of(layer))
        pane.show_layer(layer, self._base())
        pane.follow(self._known.viewer)
        self._show_slides()
        self._offer()

    def _link_of(self, layer: Image) -> Straight:
        """Return how a layer corresponds to the H&E: the moving slide through its registration."""
        aligned = self._known.aligned
        original = None if aligned is None else aligned.moving.layer()
        return Through(aligned.registration) if aligned and layer is original else Straight()

    def _on_aligned(self) -> None:
        for pane in self._panes:
            if pane.layer is not None and not pane.link.on_he:
                self.show(pane, pane.layer)

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Close the panes with the window."""
        if event is not None and event.type() == QEvent.Type.Close:
            while self._panes:
                self._panes.pop().close()
            self._following.forget()
        return False

    @property
    def _known(self) -> Session:
        session = self._session()
        if session is None:
            raise RuntimeError("The session of these panes is gone.")
        return session

    @property
    def _window(self) -> QtViewer:
        window = self._window_ref()
        if window is None:
            raise RuntimeError("The window of these panes is gone.")
        return window

    def _images(self) -> list[Image]:
        return images(self._known.viewer)

    def _base(self) -> Image | None:
        chosen = self._known.chosen
        return None if chosen is None else chosen.layer()

    def _open(self) -> None:
        if not self._panes:
            self.head.show()
            self.show_own(self._base())
        pane = Pane(self._known.connections, self._known.viewer)
        pane.follow(self._known.viewer)
        pane.moved.connect(self._following.pane_moved)
        pane.head.chosen.connect(partial(self._on_chosen, weakref.ref(pane)))
        pane.head.link_wanted.connect(pane.set_linked)
        pane.head.close_requested.connect(partial(self._on_closed, weakref.ref(pane)))
        bind_keys(self._known, pane.viewer)
        self._panes.append(pane)
        self._window.setOrientation(Qt.Orientation.Horizontal)
        self._window.addWidget(pane.window)
        shown = [self.own(), *(one.layer for one in self._panes[:-1])]
        wanted = next_to_see(self._images(), shown, self._base())
        if wanted is not None:
            self.show(pane, wanted)

    def _end(self) -> None:
        self.head.hide()
        self.show_own(None)

    def _share_width(self) -> None:
        count = self._window.count()
        self._window.setSizes([self._window.width() // count] * count)

    def _offer(self, _event: object = None) -> None:
        layers = self._images()
        names = [
            f"{layer.name}{HIDDEN * (self._known.blind and secret(layer))}" for layer in layers
        ]
        own = self.own()
        self.head.offer([ALL_LAYERS, *names], layers.index(own) + 1 if own in layers else 0)
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
        self.show_own(self._images()[index - 1] if index else None)

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

    def _on_inserted(self, event: Any) -> None:
        own = self.own()
        if own is not None and isinstance(event.value, Image):
            self._solo.show(over_base(own, self._base()))
        self._offer()

    def _on_connected(self, layer: Image) -> None:
        """Show a new layer where it takes the place of another, or where nothing else was left."""
        own, base = self.own(), self._base()
        if replaces(layer, own):
            self._own = weakref.ref(layer)
            layer.visible = True
        spare = [pane for pane in self._panes if pane.layer is base and own is base]
        for pane in self._panes:
            if replaces(layer, pane.layer):
                pane.cover(layer)
            elif pane in spare[:1] and layer is not base:
                self.show(pane, layer)
        self._offer()

    def _on_removed(self, event: Any) -> None:
        for pane in self._panes:
            pane.forget(event.value)
            if pane.layer is event.value and self._base() is not None:
                pane.show_layer(self._base(), self._base())
        if self.own() is event.value:
            self.show_own(self._base())
        self._offer()
