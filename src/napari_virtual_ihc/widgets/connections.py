"""The layers of one window that show tiles, each connected to who makes them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari_virtual_ihc.widgets.adapter import GATHER_MS, LayerAdapter
from napari_virtual_ihc.widgets.camera import visible_box
from napari_virtual_ihc.widgets.services import MAPS, SLIDES, WARPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_virtual_ihc.tiles.pyramid import TilePyramid
    from napari_virtual_ihc.widgets.services import Services

_GATHER = {WARPS: 120, MAPS: 240}
"""These come tile by tile and slowly; each drawing of a layer draws the whole canvas."""


class Connections:
    """Connects layers of the window's viewer, and of its panes, to their tiles.

    Parameters
    ----------
    services
        Who makes tiles; a service that serves no layer any more is stopped.
    refreshed
        Called in the window's thread when tiles have come.
    """

    def __init__(self, services: Services, refreshed: Callable[[], object]) -> None:
        self._services = services
        self._refreshed = refreshed
        self._adapters: list[tuple[LayerAdapter, weakref.ref[ViewerModel]]] = []

    def connect(
        self, viewer: ViewerModel, layer: Image, pyramid: TilePyramid, kind: str
    ) -> LayerAdapter:
        """Connect a layer of ``viewer`` to its tiles, made by the service of a kind."""
        service = self._services.service(kind)
        wait = _GATHER.get(kind, GATHER_MS)
        adapter = LayerAdapter(layer, pyramid, service, costly=kind != SLIDES, gather_ms=wait)
        adapter.refreshed.connect(self._refreshed)
        adapter.look(visible_box(viewer), moving=False)
        self._adapters.append((adapter, weakref.ref(viewer)))
        return adapter

    def kind_of(self, adapter: LayerAdapter) -> str:
        """Return the kind of the service that makes a layer's tiles."""
        running = self._services.running()
        return next(kind for kind in running if self._services.service(kind) is adapter.service)

    def of(self, layer: Layer) -> LayerAdapter | None:
        """Return what connects a layer to its tiles, or None."""
        return next((one for one in self.all() if one.layer() is layer), None)

    def all(self, viewer: ViewerModel | None = None) -> list[LayerAdapter]:
        """Return every connection, or those of the layers of one viewer."""
        return [one for one, where in self._adapters if viewer is None or where() is viewer]

    def release(self, adapter: LayerAdapter) -> None:
        """End a connection; a service without any is stopped."""
        adapter.close()
        self._adapters = [one for one in self._adapters if one[0] is not adapter]
        used = {id(one.service) for one in self.all()}
        for kind in self._services.running():
            if id(self._services.service(kind)) not in used:
                self._services.stop(kind)

    def look(self, viewer: ViewerModel, *, moving: bool) -> None:
        """Want what this viewer has on screen, for every layer of it."""
        view = visible_box(viewer)
        for adapter, where in self._adapters:
            if where() is viewer:
                adapter.look(view, moving=moving)

    def close(self) -> None:
        """End every connection."""
        for adapter in self.all():
            adapter.close()
