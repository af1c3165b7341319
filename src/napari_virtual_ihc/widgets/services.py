"""The tile cache and the tile services of one window, each started when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.service import TileService

if TYPE_CHECKING:
    from napari_virtual_ihc.settings import Settings

SLIDES, WARPS, MODELS, MAPS = "slides", "warps", "models", "maps"
_NICENESS = {SLIDES: 2, WARPS: 6, MODELS: 10, MAPS: 12}
"""The window draws first, then slides are read, then registered ones resampled, then models run."""


class Services:
    """One cache; services for slides, registered slides, models and maps, none delaying another.

    A map of virtual pixels waits for tiles of the models, so it cannot be made on their thread.

    Parameters
    ----------
    settings
        Where the cache lies and how large it may be.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cache = TileCache(
            settings.cache_dir, settings.cache_memory_bytes, settings.cache_disk_bytes
        )
        self._running: dict[str, TileService] = {}

    def service(self, kind: str) -> TileService:
        """Return the running service of a kind, starting it where there is none."""
        if kind not in self._running:
            name = f"virtual-ihc-{kind}"
            self._running[kind] = TileService(self.cache, name, niceness=_NICENESS[kind])
        return self._running[kind]

    def running(self) -> tuple[str, ...]:
        """Return the kinds of the services that run."""
        return tuple(self._running)

    def stop(self, kind: str, timeout: float = 0.0) -> bool:
        """Stop a service; return whether its threads ended within ``timeout`` s."""
        service = self._running.pop(kind, None)
        return service is None or service.close(timeout)

    def close(self) -> None:
        """Stop everything without waiting; what is pending is written to the cache."""
        for kind in self.running():
            self.stop(kind)
        self.cache.close(0.0)
