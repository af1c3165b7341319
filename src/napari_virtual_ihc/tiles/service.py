"""The tile service: takes wishes from any thread, answers from the cache or the producer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_virtual_ihc.tiles.desk import Desk
from napari_virtual_ihc.tiles.finder import Finder
from napari_virtual_ihc.tiles.maker import Maker
from napari_virtual_ihc.tiles.notices import Callback, Progress
from napari_virtual_ihc.tiles.wishes import WishList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import TileAddress, TileProducer


class TileService:
    """One worker thread per device for making tiles, and one for the cache and coarse tiles.

    Nothing is computed, read or waited for on the caller's thread. A slow model and a slide reader
    are two services over one cache, so that neither delays the other.

    Parameters
    ----------
    cache
        Where finished tiles go and are looked for first.
    name
        Name of the threads.
    niceness
        How far the making of tiles steps back behind other threads, see `threads.step_back`.
    """

    def __init__(self, cache: TileCache, name: str, *, niceness: int = 0) -> None:
        self._desk = Desk()
        self._maker = Maker(self._desk, cache, f"{name}-maker", niceness)
        self._finder = Finder(self._desk, cache, f"{name}-finder")

    def subscribe(self, client: str, callback: Callback) -> None:
        """Call ``callback`` (held weakly) on a worker thread when any tile changes or fails."""
        with self._desk.changed:
            self._desk.subscribers.add(client, callback)

    def request(
        self,
        client: str,
        producer: TileProducer,
        addresses: Iterable[TileAddress],
        *,
        centre: tuple[float, float],
        background: bool = False,
        descend: int = 0,
    ) -> None:
        """Replace what a client wants; what nobody wants any more is dropped at once.

        Parameters
        ----------
        client
            Who asks; its view and its background wishes are two separate lists.
        producer
            Who makes the tiles.
        addresses
            Tiles of native levels are made; tiles of coarser levels are derived from finished ones.
            A background iterable may be long: it is taken from one by one.
        centre
            (y, x) in level-0 pixels; nearer tiles come first.
        background
            Only done while no view waits for anything.
        descend
            Coarse tiles at most this many levels above the native ones have the missing native
            tiles below them made.
        """
        with self._desk.changed:
            if self._desk.closing:
                return
            wishes = WishList(client, producer, background, centre, descend)
            self._desk.submit(wishes, addresses)
            self._maker.worker.start()
            self._finder.worker.start()

    def stop_background(self, client: str) -> None:
        """Drop a client's background wishes."""
        with self._desk.changed:
            self._desk.board.drop(client, background=True)

    def drop(self, client: str) -> None:
        """Forget a client: its wishes and its callback."""
        self._finder.keep_only(self._desk.leave(client))

    def retry(self, client: str) -> int:
        """Forget the failures of a client's producers; return how many tiles may be asked again."""
        return sum(self._desk.pardon(key) for key in self._keys(client))

    def failures(self, producer_key: str) -> dict[TileAddress, str]:
        """Return the failed tiles of a producer and the reason of each."""
        return self._desk.failures(producer_key)

    @property
    def deaths(self) -> tuple[str, ...]:
        """One sentence for each time a worker thread died and was started again."""
        return tuple(self._desk.deaths)

    def progress(self, client: str) -> Progress:
        """Return how far a client's present view is."""
        desk = self._desk
        with desk.changed:
            view, idle = desk.board.of(client), desk.board.of(client, background=True)
            done, left = (0, 0) if view is None else (view.done, self._left(view))
            failed = sum(len(desk.failures(key)) for key in self._keys(client))
            rate = desk.speeds[client].rate() if client in desk.speeds else 0.0
            return Progress(done + left, done, failed, 0 if idle is None else idle.done, rate)

    def close(self, timeout: float = 10.0) -> bool:
        """Drop everything, cancel the job, end the threads; False if one outlives ``timeout`` s."""
        end = time.monotonic() + timeout
        with self._desk.changed:
            self._desk.closing = True
            self._desk.board.clear()
            self._desk.subscribers.clear()
            self._desk.folds.clear()
            self._desk.changed.notify_all()
        workers = (self._finder.worker, self._maker.worker)
        joined = [worker.join(end - time.monotonic()) for worker in workers]
        return all(joined)

    def _keys(self, client: str) -> set[str]:
        with self._desk.changed:
            return {w.producer.key for w in self._desk.board if w.client == client}

    def _left(self, wishes: WishList) -> int:
        busy = self._desk.busy.get(wishes.producer.key, ())
        return len(wishes.unseen) + len(wishes.missing) + sum(map(wishes.wants, busy))
