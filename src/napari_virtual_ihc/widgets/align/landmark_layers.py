"""Pairs on the canvas: two layers of points in step, marked by turns on either slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from napari.layers import Points
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.registration.landmarks import Landmarks, Side
from napari_virtual_ihc.widgets.align.landmark_look import (
    ANCHORS,
    HALO,
    RING,
    SIZES_PX,
    WORST_RING,
    colours_of,
    label_of_pairs,
)
from napari_virtual_ihc.widgets.align.landmark_panes import PaneMarks
from napari_virtual_ihc.widgets.align.warped_layer import matrix
from napari_virtual_ihc.widgets.layers import heat_of, virtual_of
from napari_virtual_ihc.widgets.views.turning import turned
from napari_virtual_ihc.widgets.virtual import show_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_virtual_ihc.widgets.align.warped_layer import WarpedLayer
    from napari_virtual_ihc.widgets.session import Session

_SIDES: tuple[Side, ...] = get_args(Side)
_NAMES = {"fixed": "Landmarks on the H&E", "moving": "Landmarks on the real IHC"}


class LandmarkLayers(QObject):
    """Shows pairs and hears of every point that is added, dragged or deleted.

    A ring is on the H&E, a dot on the real IHC, where the registration on screen shows it: a pair
    that is met is a dot in its ring.
    While pairs are marked, the slide that is asked for is seen and nothing computed hides it.

    Parameters
    ----------
    session
        The window.
    warped
        The layer that shows the moving slide.
    """

    edited = Signal(object)
    """The :class:`Landmarks` as the user has changed them."""

    def __init__(self, session: Session, warped: WarpedLayer) -> None:
        super().__init__()
        self._session, self._warped = session, warped
        self._marked = Landmarks()
        self._worst: int | None = None
        self._marking = self._writing = False
        self._layers: dict[Side, Points] = {}
        self._hidden: list[Layer] = []
        self.panes = PaneMarks(session, warped)
        self.panes.clicked.connect(self._on_clicked)
        session.panes.changed.connect(self._turn)
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._write)
        session.viewer.layers.events.removed.connect(self._on_layer_removed)
        session.camera_rested.connect(self._on_camera_rested)

    def show(self, marked: Landmarks, worst: int | None) -> None:
        """Show these pairs; ``worst`` has a thick ring."""
        self._marked, self._worst = marked, worst
        self._timer.start()

    def set_marking(self, on: bool) -> None:
        """Take clicks as points by turns, or no more."""
        if on == self._marking:
            return
        self._marking = on
        self._timer.start()
        if on:
            self._hidden = [] if self._beside() else hide_computed(self._session.viewer)
            return
        self._show_warped(True)
        show_again([one for one in self._hidden if one in self._session.viewer.layers])
        for layer in self._layers.values():
            layer.mode = "pan_zoom"

    def select(self, number: int) -> None:
        """Select a pair (from 0) in both layers."""
        for layer in self._layers.values():
            layer.selected_data = {number} if number < len(layer.data) else set()

    def close(self) -> None:
        """Listen no more; the layers are taken away."""
        if isalive(self._timer):
            self._timer.stop()
        if isalive(self._session):
            self.panes.close()
        layers = self._session.viewer.layers
        layers.events.removed.disconnect(self._on_layer_removed)
        self._remove()

    def _write(self) -> None:
        """Bring both layers to what is marked; later than the event that asked for it."""
        if self._warped.laid is None:
            self._remove()
            self.panes.show({}, marking=False)
            return
        if not (self._marking or self._layers or len(self._marked.fixed)):
            return
        self._writing = True
        try:
            for side in _SIDES:
                self._fill(self._layer(side), side)
        finally:
            self._writing = False
        self._turn()
        self.panes.show(self._layers, marking=self._marking)

    def _layer(self, side: Side) -> Points:
        if side not in self._layers:
            layer = Points(
                np.zeros((0, 2)), ndim=2, name=_NAMES[side],
                units=("um", "um"), features={"pair": np.zeros(0, int)},
                canvas_size_limits=(1, SIZES_PX[side]), text=label_of_pairs(ANCHORS[side], 0),
            )  # fmt: skip
            layer.events.data.connect(self._heard(side))
            self._session.viewer.add_layer(layer)
            self._layers[side] = layer
        return self._layers[side]

    def _fill(self, layer: Points, side: Side) -> None:
        places = self._marked.of(side)
        if side == "moving" and self._warped.laid is not None:
            places = self._warped.laid.registration.to_fixed(places)
            layer.affine = turned(self._session.viewer, matrix(self._warped.held()))
        count = len(places)
        layer.selected_data = set()
        layer.data = places
        layer.features = {"pair": np.arange(1, count + 1)}
        layer.text = label_of_pairs(ANCHORS[side], count)
        if count:
            colours = colours_of(count)
            on_he = side == "fixed"
            rings = [WORST_RING if one == self._worst else RING for one in range(count)]
            layer.border_width = rings if on_he else HALO
            layer.face_color = ["transparent"] * count if on_he else colours
            layer.border_color = colours if on_he else "white"
            layer.size = self._size_um(side)

    def _size_um(self, side: Side) -> float:
        """Return a point's size as it is now seen; napari picks points by it."""
        return SIZES_PX[side] / float(self._session.viewer.scene.camera.zoom)

    def _on_camera_rested(self) -> None:
        for side, layer in self._layers.items():
            if len(layer.data):
                layer.size = self._size_um(side)

    def _beside(self) -> bool:
        """Whether slides are seen side by side, so that each is marked where it is seen."""
        return bool(self._session.panes.all())

    def _turn(self) -> None:
        """Let a click mark what is asked for; side by side, what the window's own canvas shows."""
        if not self._marking or not self._layers:
            return
        own = self._session.panes.own()
        side = self._marked.awaited if own is None else self.panes.side_of(own)
        self._show_warped(side == "moving")
        for other in _SIDES:
            if other != side:
                self._layers[other].mode = "pan_zoom"
        self._session.viewer.layers.selection.active = self._layers[side]
        self._layers[side].mode = "add"

    def _show_warped(self, on: bool) -> None:
        layer = self._warped.layer()
        if layer is not None and not self._beside():
            layer.visible = on

    def _on_clicked(self, side: Side, seen: NDArray[np.float64]) -> None:
        """Mark a place that was clicked in a pane."""
        self._marked = self._marked.marked(side, self._told(side, seen))
        self.edited.emit(self._marked)
        self._timer.start()

    def _heard(self, side: Side) -> Callable[[Any], None]:
        return self._on_fixed if side == "fixed" else self._on_moving

    def _on_fixed(self, event: Any) -> None:
        self._on_edited("fixed", event)

    def _on_moving(self, event: Any) -> None:
        self._on_edited("moving", event)

    def _on_edited(self, side: Side, event: Any) -> None:
        action = str(event.action)
        if self._writing or action not in ("added", "changed", "removed"):
            return
        numbers = [int(index) for index in event.data_indices]
        self._marked = self._after(action, side, numbers)
        self.edited.emit(self._marked)
        self._timer.start()

    def _after(self, action: str, side: Side, numbers: list[int]) -> Landmarks:
        if action == "removed":
            return self._marked.without(numbers)
        seen = np.asarray(self._layers[side].data, np.float64)[numbers]
        places = self._told(side, seen)
        if action == "added":
            return self._marked.marked(side, places[-1])
        all_places = self._marked.of(side).copy()
        all_places[numbers] = places
        return self._marked.moved(side, all_places)

    def _told(self, side: Side, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places on the canvas as places of the slide, µm."""
        if side == "fixed" or self._warped.laid is None:
            return seen
        return self._warped.laid.registration.to_moving(seen)

    def _on_layer_removed(self, event: Any) -> None:
        if event.value in self._layers.values():
            self._remove()
            self._marked = Landmarks()
            self.edited.emit(self._marked)

    def _remove(self) -> None:
        gone, self._layers = self._layers, {}
        for side, layer in gone.items():
            layer.events.data.disconnect(self._heard(side))
            if layer in self._session.viewer.layers:
                self._session.viewer.layers.remove(layer)


def hide_computed(viewer: ViewerModel) -> list[Layer]:
    """Hide virtual stains and maps, which lie over the H&E, and return them."""
    shown = [
        layer
        for layer in viewer.layers
        if layer.visible and (virtual_of(layer) is not None or heat_of(layer) is not None)
    ]
    for layer in shown:
        layer.visible = False
    return shown
