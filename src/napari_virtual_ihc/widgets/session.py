"""All that this package does in one napari window: its slides, virtual layers and services."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal

from napari_virtual_ihc.widgets.canvas import CanvasDressing
from napari_virtual_ihc.widgets.connections import Connections
from napari_virtual_ihc.widgets.keys import bind_keys
from napari_virtual_ihc.widgets.layers import WARPED, heat_of, is_foreign, slide_of, virtual_of
from napari_virtual_ihc.widgets.leaving import leave_in_order
from napari_virtual_ihc.widgets.parting import Parting
from napari_virtual_ihc.widgets.preferences import effective_settings
from napari_virtual_ihc.widgets.requests import Requests
from napari_virtual_ihc.widgets.services import SLIDES, WARPS, Services
from napari_virtual_ihc.widgets.slide_entry import SlideEntry, named_apart
from napari_virtual_ihc.widgets.views.mixing import Mixing
from napari_virtual_ihc.widgets.views.panes import Panes
from napari_virtual_ihc.widgets.views.turning import Turning
from napari_virtual_ihc.widgets.window import open_windows, unproxied, window_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.qt import QtViewer

    from napari_virtual_ihc.widgets.adapter import LayerAdapter
    from napari_virtual_ihc.widgets.aligned import Aligned


class Session(Requests):
    """What one viewer has of ours; a child of its window, so it goes when the window goes.

    Use :func:`session_of`. Signals come on the window's thread. The Translate page writes what is
    asked of the model into ``translating``.
    """

    slides_changed = Signal()
    slide_chosen = Signal()
    camera_moved = Signal()
    camera_rested = Signal()
    tiles_changed = Signal()
    layer_connected = Signal(object)
    """A layer of ours that is connected to its tiles now."""
    layer_removed = Signal(object)
    """A layer of ours that was taken off the viewer."""
    models_changed = Signal()
    """The library has other models than before."""
    aligned_changed = Signal()
    """Another registration holds than before, or none."""
    problem = Signal(str)
    canvas: CanvasDressing
    panes: Panes
    mixing: Mixing
    services: Services

    def __init__(self, viewer: ViewerModel, window: QtViewer) -> None:
        super().__init__(window)
        self._viewer = weakref.ref(viewer)
        self.services = Services(effective_settings())
        self.chosen: SlideEntry | None = None
        self.aligned: Aligned | None = None
        self.translating: dict[str, str] = {}
        self.busy: set[str] = set()
        self._entries: list[SlideEntry] = []
        self.connections = Connections(self.services, self.tiles_changed)
        self.canvas = CanvasDressing(viewer, window)
        self.canvas.camera_moved.connect(self.camera_moved)
        self.canvas.camera_rested.connect(self.camera_rested)
        self.camera_moved.connect(self._on_camera_moved)
        self.camera_rested.connect(self._on_camera_rested)
        self.tiles_changed.connect(self.canvas.label_soon)
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        closing = partial(_close_all, self.services, self.connections, self._entries)
        window.destroyed.connect(closing)
        self._parting = Parting(self)
        self.turning = Turning(viewer)
        self.panes = Panes(self, window)
        self.mixing = Mixing(self, window)
        bind_keys(self, viewer)
        for layer in viewer.layers:
            self._watch_banner(layer)
            self._adopt(layer)

    @property
    def viewer(self) -> ViewerModel:
        """The viewer; it outlives the session."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer of this session is gone.")
        return viewer

    def slides(self) -> list[SlideEntry]:
        """Return the slides open in this window, in the order they were opened."""
        return list(self._entries)

    def originals(self) -> list[SlideEntry]:
        """Return the slides that were opened, without those laid onto another one here."""
        return [entry for entry in self._entries if not entry.registered]

    def choose(self, entry: SlideEntry | None) -> None:
        """Work on this slide from now on."""
        self.chosen = entry
        self.canvas.show_slide(entry)
        self.slide_chosen.emit()

    def align(self, aligned: Aligned | None) -> None:
        """Take this registration for all pages, or none."""
        self.aligned = aligned
        self.aligned_changed.emit()

    def set_scale(self, entry: SlideEntry, mpp: float) -> None:
        """Give a slide its µm/px, and keep looking at the same place of the chosen one."""
        times = mpp / (entry.slide.mpp or 1.0)
        camera = self.viewer.scene.camera
        center, zoom = camera.center, camera.zoom
        self._part(entry)
        entry.set_scale(mpp)
        if entry is self.chosen:
            camera.center = tuple(value * times for value in center)
            camera.zoom = zoom / times
            self.choose(entry)
        self.slides_changed.emit()

    def adapter_of(self, layer: Layer) -> LayerAdapter | None:
        """Return what connects a layer to its tiles, or None."""
        return self.connections.of(layer)

    def adapters(self) -> list[LayerAdapter]:
        """Return what connects the layers of the viewer itself, without its panes, to tiles."""
        return self.connections.all(self.viewer)

    def release(self, adapter: LayerAdapter) -> None:
        """End the connection of a layer to its tiles; a service without any is stopped."""
        self.connections.release(adapter)

    def _on_layer_inserted(self, event: Any) -> None:
        self._watch_banner(event.value)
        self._adopt(event.value)
        if is_foreign(event.value):
            self.slides_changed.emit()

    def _on_layer_removed(self, event: Any) -> None:
        layer = event.value
        for entry in [one for one in self._entries if one.layer() is layer]:
            self._forget(entry)
        adapter = self.adapter_of(layer)
        if adapter is not None:
            self.release(adapter)
            self.layer_removed.emit(layer)
        if is_foreign(layer):
            self.slides_changed.emit()
        self.canvas.label_soon()

    def _on_camera_moved(self) -> None:
        self.connections.look(self.viewer, moving=True)

    def _on_camera_rested(self) -> None:
        self.connections.look(self.viewer, moving=False)

    def _watch_banner(self, layer: Layer) -> None:
        """See to it that banner and legend come and go with the layer they speak of."""
        if any(of(layer) is not None for of in (virtual_of, heat_of, slide_of)):
            layer.events.visible.connect(self.canvas.label)
            layer.events.opacity.connect(self.canvas.label)
            self.canvas.label()

    def _adopt(self, layer: Layer) -> None:
        slide = slide_of(layer)
        if slide is None or any(entry.layer() is layer for entry in self._entries):
            return
        entry = SlideEntry(layer, named_apart(slide, layer, self._entries))
        entry.read.connect(self._on_slide_read)
        entry.refused.connect(self._on_slide_refused)
        self._entries.append(entry)
        entry.start()
        if self.chosen is None and not entry.registered:
            self.choose(entry)
        self.slides_changed.emit()

    def _forget(self, entry: SlideEntry) -> None:
        entry.close()
        self._entries.remove(entry)
        self._part(entry)
        if self.chosen is entry:
            self.choose(next(iter(self.originals()), None))
        self.slides_changed.emit()

    def _part(self, entry: SlideEntry) -> None:
        """Drop registrations that no longer hold for this slide."""
        self._parting.part(entry)
        if self.aligned is not None and self.aligned.holds(entry):
            self.align(None)

    def _on_slide_read(self, entry: SlideEntry) -> None:
        layer = entry.layer()
        if layer is None:
            return
        kind = WARPS if WARPED in layer.metadata else SLIDES
        pyramid = entry.pyramid(self.services.service(kind), self.services.cache)
        if pyramid is None:
            return
        former = self.adapter_of(layer)
        self.connections.connect(self.viewer, layer, pyramid, kind)
        if former is not None:
            self.release(former)
        layer.data = pyramid.levels
        if entry is self.chosen:
            self.choose(entry)
        self.slides_changed.emit()

    def _on_slide_refused(self, entry: SlideEntry, sentence: str) -> None:
        layer = entry.layer()
        if layer is not None:
            self.viewer.layers.remove(layer)
        show_error(sentence)
        self.problem.emit(sentence)


def session_of(viewer: ViewerModel) -> Session | None:
    """Return the session of a viewer, made where there is none; None where it has no window."""
    window = window_of(viewer)
    if window is None:
        return None
    leave_in_order()
    found: Session | None = window.findChild(Session)
    return found if found is not None else Session(unproxied(viewer), window)


def watch_open_viewers() -> None:
    """See to it that slides opened in any open viewer are connected to their tiles."""
    for window in open_windows():
        session_of(window.viewer)


def _close_all(
    services: Services, connections: Connections, entries: list[SlideEntry], *_: object
) -> None:
    """Stop everything; called when the window is destroyed."""
    connections.close()
    for entry in entries:
        entry.close()
    services.close()
