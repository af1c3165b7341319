"""The page's numbers: tiles of the view or of the slide, their speed, the cache."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_virtual_ihc.widgets.translate.model import TileCounts
from napari_virtual_ihc.widgets.translate.prepare import one_pass
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.tiles.cache import CacheStats, TileCache
    from napari_virtual_ihc.widgets.adapter import LayerAdapter
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.model import TranslateState

    Steps = Callable[[], tuple[int, int] | None]

_UPDATE_MS = 200
_CACHE_MS = 4000


class Counts(QObject):
    """Writes the counts of one layer's tiles, and the cache's size, into a state.

    Parameters
    ----------
    session
        Whose cache is measured.
    state
        Where the numbers go.
    """

    def __init__(self, session: Session, state: TranslateState) -> None:
        super().__init__()
        self._services = session.services
        self._state = state
        self._adapter: LayerAdapter | None = None
        self._last = 0, 0
        self._steps: Steps = one_pass
        self._measuring: Work[CacheStats] | None = None
        self._soon = QTimer(self, singleShot=True, interval=_UPDATE_MS)
        self._soon.timeout.connect(self.update)
        self._cache_timer = QTimer(self, interval=_CACHE_MS)
        self._cache_timer.timeout.connect(self._measure)
        self._cache_timer.start()
        self._state.cache_limit = session.services.settings.cache_disk_bytes
        self._measure()

    def watch(self, adapter: LayerAdapter | None, steps: Steps = one_pass) -> None:
        """Count the tiles of this layer from now on, and the steps of the one being made."""
        self._adapter = adapter
        self._steps = steps
        self._last = 0, 0
        self.update()

    def update_soon(self) -> None:
        """Update within a fifth of a second."""
        if not self._soon.isActive():
            self._soon.start()

    def update(self) -> None:
        """Write the counts as they are now; a view that is held keeps its last count.

        The speed is renewed when tiles come, so that the page is not drawn for its decay alone.
        """
        done, wanted = self._last
        failed = 0
        rate = 0.0
        before = self._state.tiles
        if self._adapter is not None:
            pyramid = self._adapter.pyramid
            progress = pyramid.progress()
            failed = progress.failed
            if not pyramid.held:
                done, wanted = (
                    (progress.done, progress.wanted) if progress.wanted else (wanted,) * 2
                )
            self._last = done, wanted
            arrived = done != before.done or not progress.tiles_per_second
            rate = progress.tiles_per_second if arrived else before.rate
            if self._state.fill and done == wanted:
                done, wanted = self._adapter.fill_progress()
            if done < wanted and not pyramid.held:
                self.update_soon()
        step, steps = (self._steps() or (0, 0)) if done < wanted else (0, 0)
        self._state.tiles = TileCounts(done, wanted, failed, rate, step, steps)

    def close(self) -> None:
        """Count nothing any more."""
        self._soon.stop()
        self._cache_timer.stop()
        self._adapter = None
        if self._measuring is not None:
            self._measuring.cancel()

    def _measure(self) -> None:
        if self._measuring is not None and self._measuring.running():
            return
        self._measuring = Work(partial(_stats, self._services.cache), "measures the cache")
        self._measuring.finished.connect(self._on_measured)
        self._measuring.start()

    def _on_measured(self, stats: CacheStats) -> None:
        self._state.cache_bytes = stats.disk_bytes


def _stats(cache: TileCache, _progress: object) -> CacheStats:
    return cache.stats()
