"""The thread that makes tiles: one job after the other, the most urgent first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.notices import TileEvent
from napari_virtual_ihc.tiles.producer import TileFailure
from napari_virtual_ihc.tiles.threads import Worker
from napari_virtual_ihc.tiles.work import Job, Results, Stop, make, next_job

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.desk import Desk
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer


class Maker:
    """Calls producers; owns whatever per-thread state they have (a torch pool, a CUDA stream)."""

    def __init__(self, desk: Desk, cache: TileCache, name: str, niceness: int = 0) -> None:
        self._desk = desk
        self._cache = cache
        self._job: Job | None = None
        self.worker = Worker(name, self._loop, self._died, niceness)

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            stop = Stop(partial(self._desk.cancelled, job))
            results = make(job, partial(self._preview, job.producer), stop)
            self._deliver(job, results)

    def _next(self) -> Job | None:
        board = self._desk.board
        with self._desk.changed:
            if not self._desk.wait_for(lambda: board.to_make() is not None):
                return None
            wishes = board.to_make()
            self._job = None if wishes is None else next_job(wishes)
            if self._job is not None:
                self._desk.begin(self._job)
            return self._job

    def _deliver(self, job: Job, results: Results) -> None:
        key = job.producer.key
        made = {a: tile for a, tile in results.items() if not isinstance(tile, TileFailure)}
        for address, pixels in made.items():
            self._keep(job, address, pixels)
        self._job = None
        self._desk.end(job, made, set(job.addresses) - results.keys())
        failed = {a: tile.reason for a, tile in results.items() if isinstance(tile, TileFailure)}
        for address in made:
            self._desk.tell(TileEvent(key, address))
        self._desk.fail(key, failed)

    def _keep(self, job: Job, address: TileAddress, pixels: Pixels) -> None:
        name = tile_key(job.producer.key, address)
        self._cache.put(name, pixels, disk=job.producer.persist, memory=not job.background)

    def _preview(self, producer: TileProducer, address: TileAddress, pixels: Pixels) -> None:
        self._cache.put_provisional(tile_key(producer.key, address), pixels)
        self._desk.tell(TileEvent(producer.key, address, provisional=True))

    def _died(self, error: BaseException | None) -> bool:
        job, self._job = self._job, None
        if job is not None:
            self._desk.bury(job.producer, job.addresses, error)
        return not self._desk.closing
