"""Tiles for threads that cannot do without them: asked of a service, and waited for."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import Cancelled, VirtualIhcError
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.producer import never

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer
    from napari_virtual_ihc.tiles.service import TileService

_STEP = 0.02


class AwaitedTiles:
    """Tiles of one producer, from the cache or, where they are not made, from its service.

    Never call it on a thread of that service, which would wait for itself, nor in a window.

    Parameters
    ----------
    producer, service, cache
        Who makes the tiles, who asks for them, where they are kept.
    cancelled
        Asked while waiting; can be replaced between calls.

    Attributes
    ----------
    failed
        Tiles asked for so far that could not be made, and why.
    """

    def __init__(
        self,
        producer: TileProducer,
        service: TileService,
        cache: TileCache,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self.producer = producer
        self.cancelled = cancelled
        self.failed: dict[TileAddress, str] = {}
        self._service, self._cache = service, cache
        self._client = f"awaited-{uuid.uuid4().hex}"
        self._turn = threading.Lock()

    def __call__(self, addresses: Sequence[TileAddress]) -> dict[TileAddress, Pixels]:
        """Return the tiles; those that failed are missing.

        Raises
        ------
        Cancelled
            If ``cancelled`` said so.
        VirtualIhcError
            If the service was closed meanwhile.
        """
        with self._turn:
            found = self._kept(addresses)
            missing = [one for one in addresses if one not in found]
            if missing:
                reasons = self._wait_for(missing)
                found |= self._kept(missing)
                self._note_failed([one for one in missing if one not in found], reasons)
            return found

    def _kept(self, addresses: Sequence[TileAddress]) -> dict[TileAddress, Pixels]:
        key = self.producer.key
        found = ((one, self._cache.get(tile_key(key, one))) for one in addresses)
        return {address: pixels for address, pixels in found if pixels is not None}

    def _wait_for(self, missing: Sequence[TileAddress]) -> Mapping[TileAddress, str]:
        """Have tiles made; return which of the producer's failed, and why."""
        side = self.producer.grid.tile
        centre = ((missing[0].row + 0.5) * side, (missing[0].col + 0.5) * side)
        self._service.request(self._client, self.producer, missing, centre=centre)
        try:
            while self._waiting():
                if self.cancelled():
                    raise Cancelled
                time.sleep(_STEP)
            return self._service.failures(self.producer.key)
        finally:
            self._service.drop(self._client)

    def _waiting(self) -> bool:
        progress = self._service.progress(self._client)
        return progress.done < progress.wanted

    def _note_failed(
        self, missing: Sequence[TileAddress], reasons: Mapping[TileAddress, str]
    ) -> None:
        if any(one not in reasons for one in missing):
            raise VirtualIhcError(
                f"Tiles of {self.producer.label} are no longer made; is its layer still open?"
            )
        self.failed |= {one: reasons[one] for one in missing}
