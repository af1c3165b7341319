"""Pairs in the panes beside the window's own canvas: seen there, and marked by clicks there."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Points
from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.widgets.align.landmark_look import label_of_pairs
from napari_virtual_ihc.widgets.camera import to_slide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

    from napari_virtual_ihc.registration.landmarks import Side
    from napari_virtual_ihc.widgets.align.warped_layer import WarpedLayer
    from napari_virtual_ihc.widgets.session import Session

_SOON_MS = 60
_STILL_PX = 5


class PaneMarks(QObject):
    """Copies the points of a slide into every pane that shows it, and hears clicks there.

    Parameters
    ----------
    session
        The window; its panes say what each shows.
    warped
        The layer of the real IHC; whatever else a pane shows lies on the H&E.
    """

    clicked = Signal(str, object)
    """A side, and the place (y, x) on the fixed slide's µm where it was clicked."""

    def __init__(self, session: Session, warped: WarpedLayer) -> None:
        super().__init__()
        self._session, self._warped = session, warped
        self._points: dict[Side, Points] = {}
        self._marking = False
        self._heard: weakref.WeakSet[ViewerModel] = weakref.WeakSet()
        self._copies: list[tuple[ViewerModel, Points]] = []
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self._renew)
        session.panes.changed.connect(self._soon.start)
        session.viewer.scene.camera.events.angles.connect(self._on_turned)

    def show(self, points: dict[Side, Points], *, marking: bool) -> None:
        """Show these layers' points, and let clicks mark more."""
        self._points, self._marking = dict(points), marking
        if self._session.panes.all():
            self._soon.start()

    def side_of(self, layer: Image | None) -> Side:
        """Return which slide a canvas that shows ``layer`` is a place to mark on."""
        return "moving" if layer is not None and layer is self._warped.layer() else "fixed"

    def close(self) -> None:
        """Show nothing and hear nothing more."""
        self._session.panes.changed.disconnect(self._soon.start)
        self._session.viewer.scene.camera.events.angles.disconnect(self._on_turned)
        self._soon.stop()
        self._points, self._marking = {}, False
        self._drop()

    def _renew(self) -> None:
        self._drop()
        for pane in self._session.panes.all():
            self._hear(pane.viewer)
            source = self._points.get(self.side_of(pane.layer)) if pane.link.on_he else None
            if source is not None and len(source.data):
                copy = _copy_of(source)
                pane.viewer.add_layer(copy)
                self._copies.append((pane.viewer, copy))

    def _drop(self) -> None:
        copies, self._copies = self._copies, []
        for viewer, copy in copies:
            if copy in viewer.layers:
                viewer.layers.remove(copy)

    def _hear(self, viewer: ViewerModel) -> None:
        if viewer not in self._heard:
            self._heard.add(viewer)
            viewer.mouse_drag_callbacks.append(self._on_pressed)
            viewer.layers.events.inserted.connect(self._on_inserted)

    def _on_turned(self, _event: object = None) -> None:
        self._soon.start()

    def _on_inserted(self, event: Any) -> None:
        """Bring the points on top again of a picture that is new in a pane."""
        if isinstance(event.value, Image):
            self._soon.start()

    def _on_pressed(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        pane = next((one for one in self._session.panes.all() if one.viewer is viewer), None)
        if not self._marking or pane is None or not pane.link.on_he or event.button != 1:
            return
        start = np.array(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos) - start).max() < _STILL_PX:
            y, x = event.position[-2:]
            place = np.array(to_slide(viewer, float(y), float(x)))
            self.clicked.emit(self.side_of(pane.layer), place)


def _copy_of(layer: Points) -> Points:
    return Points(
        np.array(layer.data), ndim=2, name=layer.name, units=layer.units, affine=layer.affine,
        size=layer.size, symbol=layer.symbol, face_color=layer.face_color,
        border_color=layer.border_color, border_width=layer.border_width,
        canvas_size_limits=layer.canvas_size_limits, features=layer.features,
        text=label_of_pairs(str(layer.text.anchor.value), len(layer.data)),
    )  # fmt: skip
