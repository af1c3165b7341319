"""Between a tile pyramid and its layer: finished tiles, gathered, refresh the layer."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_virtual_ihc.widgets.camera import Box

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.tiles.notices import TileEvent
    from napari_virtual_ihc.tiles.producer import TileAddress
    from napari_virtual_ihc.tiles.pyramid import TilePyramid
    from napari_virtual_ihc.tiles.service import TileService

GATHER_MS = 60


class LayerAdapter(QObject):
    """Refreshes one layer when tiles on screen have changed, at most every ``GATHER_MS``.

    It holds the layer weakly and is called by the service weakly, so it keeps nothing alive.

    Parameters
    ----------
    layer
        The layer that shows the pyramid.
    pyramid, service
        Where its tiles come from.
    """

    refreshed = Signal()
    """Tiles arrived (on screen or not), on the window's thread."""
    _arrived = Signal()

    def __init__(self, layer: Image, pyramid: TilePyramid, service: TileService) -> None:
        super().__init__()
        self.layer = weakref.ref(layer)
        self.pyramid = pyramid
        self.service = service
        self._lock = threading.Lock()
        self._changed: set[TileAddress] = set()
        self._open = True
        self._timer = QTimer(self, singleShot=True, interval=GATHER_MS)
        self._timer.timeout.connect(self._refresh)
        self._arrived.connect(self._timer.start)
        service.subscribe(pyramid.client, self._on_tile)

    def close(self) -> None:
        """Drop the pyramid's wishes; no refresh comes afterwards."""
        with self._lock:
            self._open = False
        self._timer.stop()
        self.service.drop(self.pyramid.client)

    def _on_tile(self, event: TileEvent) -> None:
        """Gather a tile; runs on a worker thread."""
        if event.producer_key != self.pyramid.producer.key:
            return
        with self._lock:
            first = self._open and not self._changed
            self._changed.add(event.address)
            if first:
                self._arrived.emit()

    def _refresh(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, set()
        layer = self.layer()
        if layer is None:
            return
        on_screen = _on_screen(layer)
        side = self.pyramid.producer.grid.tile
        if layer.visible and any(_box(tile, side).intersects(on_screen) for tile in changed):
            layer.refresh(extent=False, thumbnail=False, highlight=False)
        self.refreshed.emit()


def _box(address: TileAddress, side: int) -> Box:
    """Return the rectangle of a tile in level-0 pixels."""
    step = side << address.level
    top, left = address.row * step, address.col * step
    return Box(top, left, top + step, left + step)


def _on_screen(layer: Image) -> Box:
    """Return what the layer shows now, in its level-0 pixels."""
    factor = layer.downsample_factors[layer.data_level][:2]
    (top, left), (bottom, right) = (corner[:2] * factor for corner in layer.corner_pixels)
    return Box(top, left, bottom + factor[0], right + factor[1])
