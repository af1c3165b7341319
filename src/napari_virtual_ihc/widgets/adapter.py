"""Between a tile pyramid and its layer: finished tiles, gathered, refresh the layer."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from qtpy.compat import isalive
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
    """Refreshes one layer when tiles on screen have changed, at most every so many ms.

    It holds the layer weakly and is called by the service weakly, so it keeps nothing alive.

    Parameters
    ----------
    layer
        The layer that shows the pyramid.
    pyramid, service
        Where its tiles come from.
    costly
        Whether making tiles takes the processor for long, as a model does.
    gather_ms
        For how long tiles are gathered before the layer is drawn anew.
    """

    refreshed = Signal()
    """Tiles arrived (on screen or not), on the window's thread."""
    _arrived = Signal()

    def __init__(
        self,
        layer: Image,
        pyramid: TilePyramid,
        service: TileService,
        *,
        costly: bool,
        gather_ms: int = GATHER_MS,
    ) -> None:
        super().__init__()
        self._costly = costly
        self._rested_at = Box(0, 0, 0, 0)
        self.layer = weakref.ref(layer)
        self.pyramid = pyramid
        self.service = service
        self._lock = threading.Lock()
        self._changed: set[TileAddress] = set()
        self._open = True
        self.has_tiles = False
        self._filling = self._overview_due = False
        self._timer = QTimer(self, singleShot=True, interval=gather_ms)
        self._timer.timeout.connect(self._refresh)
        self._arrived.connect(self._timer.start)
        layer.events.visible.connect(self._on_visible)
        service.subscribe(pyramid.client, self._on_tile)
        self._missed = True  # tiles may have come between the layer's first look and now
        self._timer.start()

    def close(self) -> None:
        """Drop the pyramid's wishes; no refresh comes afterwards."""
        with self._lock:
            self._open = False
        if isalive(self._timer):
            self._timer.stop()
        self.pyramid.close()

    def look(self, view: Box, *, moving: bool) -> None:
        """Want what is on screen in ``view`` (world units), its middle first, and nothing else.

        Where the pyramid is costly, a moving camera starts nothing: what it leaves behind is
        dropped at once, what it keeps in sight goes on, and the rest waits until it rests.
        """
        layer = self.layer()
        if layer is None or not layer.visible:
            return
        wanted = view.common(self._rested_at) if moving and self._costly else view
        if not moving:
            self._rested_at = view
        mpp = self.pyramid.producer.grid.mpp
        seen = Box(*(side / mpp for side in wanted))
        self.pyramid.look(seen, layer.data_level, _shown(layer))

    def fill(self, y: float, x: float) -> None:
        """Have every tile made in idle time, outwards from (``y``, ``x``), world units."""
        mpp = self.pyramid.producer.grid.mpp
        self._filling, self._overview_due = True, True
        self.pyramid.fill((y / mpp, x / mpp))
        self.pyramid.watch_overview()

    def stop_filling(self) -> None:
        """Make only what is looked at."""
        self._filling = False
        self.pyramid.stop_filling()

    def fill_progress(self) -> tuple[int, int]:
        """Return how many tiles of the slide are done or failed, and how many there are."""
        grid, progress = self.pyramid.producer.grid, self.pyramid.progress()
        total = grid.rows * grid.cols
        return min(progress.background + progress.failed, total), total

    def filling(self) -> bool:
        """Whether tiles of the slide are still to be made in idle time."""
        done, total = self.fill_progress()
        return self._filling and done < total

    def _on_visible(self, _event: object = None) -> None:
        layer = self.layer()
        if layer is not None and not layer.visible:
            self.pyramid.rest()

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
        self.has_tiles = self.has_tiles or bool(changed) or self._finds_tiles()
        if layer.visible and (self._missed or self._on_screen(layer, changed)):
            layer.refresh(extent=False, thumbnail=False, highlight=False)
        self._missed = False
        if self._overview_due and self._filling and not self.filling():
            self._renew_overview(layer)
        self.refreshed.emit()

    def _finds_tiles(self) -> bool:
        return self.pyramid.complete or self.pyramid.progress().done > 0

    def _renew_overview(self, layer: Image) -> None:
        """Give napari the finished overview, of which it keeps a copy, for the thumbnail."""
        overview = self.pyramid.compose_overview()
        if overview[..., 3].any():
            self._overview_due = False
            self.pyramid.set_overview(overview)
            layer.data = self.pyramid.levels

    def _on_screen(self, layer: Image, tiles: set[TileAddress]) -> bool:
        shown = _shown(layer)
        side = self.pyramid.producer.grid.tile
        return any(_box(tile, side).intersects(shown) for tile in tiles)


def _box(address: TileAddress, side: int) -> Box:
    """Return the rectangle of a tile in level-0 pixels."""
    step = side << address.level
    top, left = address.row * step, address.col * step
    return Box(top, left, top + step, left + step)


def _shown(layer: Image) -> Box:
    """Return what the layer shows now, in its level-0 pixels."""
    factor = layer.downsample_factors[layer.data_level][:2]
    (top, left), (bottom, right) = (corner[:2] * factor for corner in layer.corner_pixels)
    return Box(top, left, bottom + factor[0], right + factor[1])
