"""Outlines drawn in the window's own canvas, shown in a pane too."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QObject, QTimer

from napari_virtual_ihc.widgets.layers import OUTLINE
from napari_virtual_ihc.widgets.outline_width import fit_outlines

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_SOON_MS = 60


class Outlines(QObject):
    """Keeps copies of all outlines of one viewer on top of another; they are drawn in the first.

    Parameters
    ----------
    source, viewer
        Where they are drawn, and where they are shown too.
    """

    def __init__(self, source: ViewerModel, viewer: ViewerModel) -> None:
        super().__init__()
        self._source, self._viewer = weakref.ref(source), weakref.ref(viewer)
        self._watched: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._copies: list[Shapes] = []
        self._shown = True
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self._copy)
        source.layers.events.inserted.connect(self._on_changed)
        source.layers.events.removed.connect(self._on_changed)
        source.scene.camera.events.angles.connect(self._on_changed)
        self._soon.start()

    def close(self) -> None:
        """Listen no more."""
        self._soon.stop()
        source = self._source()
        if source is not None:
            source.layers.events.inserted.disconnect(self._on_changed)
            source.layers.events.removed.disconnect(self._on_changed)
            source.scene.camera.events.angles.disconnect(self._on_changed)
        for layer in list(self._watched):
            layer.events.data.disconnect(self._on_changed)
            layer.events.visible.disconnect(self._on_changed)

    def set_shown(self, on: bool) -> None:
        """Show the copies, or none, where the other viewer shows other places."""
        self._shown = on
        self._soon.start()

    def renew(self) -> None:
        """Bring the copies on top again."""
        self._soon.start()

    def _on_changed(self, _event: object = None) -> None:
        self._soon.start()

    def _copy(self) -> None:
        source, viewer = self._source(), self._viewer()
        if source is None or viewer is None:
            return
        for copy in [one for one in self._copies if one in viewer.layers]:
            viewer.layers.remove(copy)
        self._copies = []
        for layer in source.layers:
            if isinstance(layer, Shapes):
                self._watch(layer)
                if self._shown and layer.visible and len(layer.data):
                    self._copies.append(viewer.add_layer(_copy_of(layer)))
        fit_outlines(viewer)

    def _watch(self, layer: Shapes) -> None:
        if layer not in self._watched:
            self._watched.add(layer)
            layer.events.data.connect(self._on_changed)
            layer.events.visible.connect(self._on_changed)


def _copy_of(layer: Shapes) -> Shapes:
    return Shapes(
        [np.array(one) for one in layer.data],
        shape_type=[str(kind) for kind in layer.shape_type],
        edge_color=layer.edge_color,
        edge_width=layer.edge_width,
        face_color="transparent",
        opacity=layer.opacity,
        affine=layer.affine,
        scale=layer.scale,
        translate=layer.translate,
        units=layer.units,
        name=layer.name,
        metadata={OUTLINE: True} if OUTLINE in layer.metadata else {},
        ndim=2,
    )
