"""The thread that looks into the cache and derives coarse tiles, so that no forward is held up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.derive import CoarseTiles, Settled
from napari_virtual_ihc.tiles.notices import TileEvent
from napari_virtual_ihc.tiles.threads import Worker

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.desk import Desk
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer
    from napari_virtual_ihc.tiles.wishes import WishList

_AHEAD = 128


class Finder:
    """Folds finished tiles into coarse ones first, then looks for wishes, most urgent first."""

    def __init__(self, desk: Desk, cache: TileCache, name: str) -> None:
        self._desk = desk
        self._cache = cache
        self._coarse: dict[str, CoarseTiles] = {}
        self._look: tuple[WishList, TileAddress] | None = None
        self.worker = Worker(name, self._loop, self._died)

    def keep_only(self, producer_keys: set[str]) -> None:
        """Forget the coarse tiles of producers that nobody uses any more."""
        for key in self._coarse.keys() - producer_keys:
            self._coarse.pop(key, None)

    def _loop(self) -> None:
        while self._wait():
            if self._desk.folds:
                self._fold(*self._desk.folds.popleft())
            elif self._look is not None:
                self._answer(*self._look)
            self._look = None

    def _wait(self) -> bool:
        with self._desk.changed:
            return self._desk.wait_for(self._find_work)

    def _find_work(self) -> bool:
        if not self._desk.folds:
            self._look = self._desk.board.to_look_for(_AHEAD)
        return bool(self._desk.folds) or self._look is not None

    def _fold(self, producer: TileProducer, address: TileAddress, pixels: Pixels) -> None:
        coarse = self._coarse.get(producer.key)
        for changed in () if coarse is None else coarse.fold(address, pixels):
            self._desk.tell(TileEvent(producer.key, changed, provisional=True))

    def _answer(self, wishes: WishList, address: TileAddress) -> None:
        if address.level >= wishes.producer.levels:
            self._answer_coarse(wishes, address)
        elif self._find(wishes, address):
            self._desk.finish(wishes.producer.key, address)
            self._desk.tell(TileEvent(wishes.producer.key, address))
        else:
            self._lack(wishes.producer, address)

    def _find(self, wishes: WishList, address: TileAddress) -> bool:
        producer, name = wishes.producer, tile_key(wishes.producer.key, address)
        if wishes.background:
            return self._cache.contains(name, disk=producer.persist)
        pixels = self._cache.get(name, disk=producer.persist)
        if pixels is not None:
            self._fold(producer, address, pixels)
        return pixels is not None

    def _lack(self, producer: TileProducer, address: TileAddress) -> None:
        with self._desk.changed:
            busy = self._desk.busy.get(producer.key, ())
            for wishes in self._desk.board.same(producer.key):
                wishes.unseen.discard(address)
                if wishes.wants(address) and address not in busy:
                    wishes.lack(address)
            self._desk.changed.notify_all()

    def _answer_coarse(self, wishes: WishList, address: TileAddress) -> None:
        producer = wishes.producer
        coarse = self._coarse.setdefault(producer.key, CoarseTiles(self._cache, producer))
        try:
            settled = coarse.settle(address, lambda: self._unwanted(wishes, address))
        except Cancelled:
            return
        self._settled(wishes, address, settled, coarse)
        if settled.fresh and settled.pixels is not None:
            self._desk.tell(TileEvent(producer.key, address, provisional=not settled.final))

    def _settled(
        self, wishes: WishList, address: TileAddress, settled: Settled, coarse: CoarseTiles
    ) -> None:
        key = wishes.producer.key
        with self._desk.changed:
            if settled.final:
                self._desk.finish(key, address)
                return
            if self._desk.folds:
                return
            wishes.unseen.discard(address)
            if address.level - wishes.producer.levels < wishes.descend:
                barred = self._desk.failures(key).keys() | self._desk.busy.get(key, set())
                for native in coarse.missing(address):
                    if native not in barred:
                        wishes.lack(native)
            self._desk.changed.notify_all()

    def _unwanted(self, wishes: WishList, address: TileAddress) -> bool:
        with self._desk.changed:
            if self._desk.closing or address not in wishes.unseen:
                return True
            current = self._desk.board.of(wishes.client, background=wishes.background)
            return current is not wishes or (wishes.background and self._desk.board.looking())

    def _died(self, error: BaseException | None) -> bool:
        look, self._look = self._look, None
        if look is not None:
            self._desk.bury(look[0].producer, [look[1]], error)
        return not self._desk.closing
