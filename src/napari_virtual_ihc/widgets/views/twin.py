"""A layer shown again in another canvas: the same pixels and settings, wishes of its own."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.widgets.camera import rotation
from napari_virtual_ihc.widgets.layers import SLIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_virtual_ihc.widgets.adapter import LayerAdapter
    from napari_virtual_ihc.widgets.connections import Connections

_SHARED = (
    "opacity", "contrast_limits", "gamma", "colormap", "interpolation2d", "blending",
    "scale", "translate", "affine",
)  # fmt: skip
"""What a twin always has as its like has it; whether it is visible is its own affair."""


class Twin:
    """One layer of a pane, in step with the layer of the window's viewer that it shows again.

    Parameters
    ----------
    connections
        Where the layers of the window are connected to their tiles.
    source
        The layer to show again.
    viewer
        Of the pane; the new layer lies on top of it.
    renew
        Called when the layer has other data than before, so that a new twin is needed.
    extra_turn
        Returns by how many degrees the pane is turned more than the window's own canvas.
    """

    def __init__(
        self,
        connections: Connections,
        source: Image,
        viewer: ViewerModel,
        renew: Callable[[], object],
        extra_turn: Callable[[], float],
    ) -> None:
        self.source = weakref.ref(source)
        self._connections = connections
        self._viewer = viewer
        self._adapter: LayerAdapter | None = None
        self._renew = renew
        self._extra_turn = extra_turn
        like = connections.of(source)
        pyramid = None if like is None else like.pyramid.twin()
        data = source.data if pyramid is None else pyramid.levels
        self.layer: Image = viewer.add_layer(_image_like(source, data))
        if like is not None and pyramid is not None:
            kind = connections.kind_of(like)
            self._adapter = connections.connect(viewer, self.layer, pyramid, kind)
        for name in _SHARED:
            getattr(source.events, name).connect(self._on_changed)
        source.events.data.connect(self._on_data)
        self._on_changed()

    def close(self) -> None:
        """Take the layer off the pane and ask for nothing any more."""
        source = self.source()
        if source is not None:
            for name in _SHARED:
                getattr(source.events, name).disconnect(self._on_changed)
            source.events.data.disconnect(self._on_data)
        if self._adapter is not None:
            self._connections.release(self._adapter)
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    def _on_data(self, _event: object = None) -> None:
        self._renew()

    def _on_changed(self, _event: object = None) -> None:
        source = self.source()
        if source is not None:
            wanted = {name: getattr(source, name) for name in _SHARED}
            wanted["affine"] = rotation(self._extra_turn()) @ np.asarray(source.affine)
            for name, value in wanted.items():
                if not _same(getattr(self.layer, name), value):
                    setattr(self.layer, name, value)


def _image_like(source: Image, data: object) -> Image:
    """Return a layer that looks like ``source``."""
    from napari.layers import Image

    metadata = {key: value for key, value in source.metadata.items() if key != SLIDE}
    return Image(
        data,
        name=source.name,
        rgb=source.rgb,
        multiscale=source.multiscale,
        units=source.units,
        cache=False,
        metadata=metadata,
        **{name: getattr(source, name) for name in _SHARED},
    )


def _same(one: object, other: object) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))
