"""Who wants which tile, and which comes next: plain data, no threads."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from napari_virtual_ihc.tiles.producer import TileAddress, TileProducer

_MOST_REPEATS = 3


class Ranked:
    """A set of addresses that gives the nearest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, TileAddress]] = []
        self._held: set[TileAddress] = set()

    def __len__(self) -> int:
        """Return the number of addresses held."""
        return len(self._held)

    def __contains__(self, address: TileAddress) -> bool:
        """Return whether the address is held."""
        return address in self._held

    def __iter__(self) -> Iterator[TileAddress]:
        """Iterate over the addresses, in no order."""
        return iter(self._held)

    def add(self, address: TileAddress, rank: float) -> None:
        """Hold an address; a smaller rank comes first, equal ranks by address."""
        if address not in self._held:
            self._held.add(address)
            heapq.heappush(self._heap, (rank, address))

    def discard(self, address: TileAddress) -> None:
        """Let go of an address where it is held."""
        self._held.discard(address)

    def first(self) -> TileAddress | None:
        """Return the address of the smallest rank, still held, or None."""
        while self._heap and self._heap[0][1] not in self._held:
            heapq.heappop(self._heap)
        return self._heap[0][1] if self._heap else None


@dataclass(eq=False)
class WishList:
    """What one client wants of one producer: first looked for in the cache, then made.

    ``centre`` is (y, x) in level-0 pixels; coarse tiles up to ``descend`` levels above the native
    ones stand for the native tiles below them. A background list gives its wishes one at a time.
    """

    client: str
    producer: TileProducer
    background: bool
    centre: tuple[float, float]
    descend: int
    stamp: int = 0
    view: frozenset[TileAddress] = frozenset()
    source: Iterator[TileAddress] = field(default_factory=lambda: iter(()))
    asked: set[TileAddress] = field(default_factory=set)
    unseen: Ranked = field(default_factory=Ranked)
    missing: Ranked = field(default_factory=Ranked)
    done: int = 0
    finished: Counter[TileAddress] = field(default_factory=Counter)

    @property
    def ready(self) -> bool:
        """Return whether a tile can be made now: a batch waits until every look is answered."""
        return bool(self.missing) and (self.producer.batch <= 1 or not self.unseen)

    def wants(self, address: TileAddress) -> bool:
        """Return whether the address, or a coarse tile it is needed for, is wished for."""
        ups = range(self.descend + 1)
        return any(address.ancestor(up) in self.asked for up in ups)

    def rank(self, address: TileAddress) -> float:
        """Return the squared distance of the tile's middle from the centre, in level-0 pixels."""
        side = self.producer.grid.tile << address.level
        y, x = (address.row + 0.5) * side, (address.col + 0.5) * side
        return (y - self.centre[0]) ** 2 + (x - self.centre[1]) ** 2

    def wish(self, address: TileAddress) -> None:
        """Add a wish that the cache has not been asked for."""
        self.asked.add(address)
        self.unseen.add(address, self.rank(address))

    def lack(self, address: TileAddress) -> None:
        """Note that a wanted tile is not in the cache."""
        self.unseen.discard(address)
        self.missing.add(address, self.rank(address))

    def forget(self, address: TileAddress) -> None:
        """Let go of a tile: it is finished, or failed."""
        self.asked.discard(address)
        self.unseen.discard(address)
        self.missing.discard(address)


class WishBoard:
    """The wish lists of all clients of a service: newest view first, background last."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, bool], WishList] = {}
        self._stamps = itertools.count()

    def __iter__(self) -> Iterator[WishList]:
        """Iterate in order of urgency: foreground before background, newest view first."""
        return iter(sorted(self._lists.values(), key=lambda w: (w.background, -w.stamp)))

    def of(self, client: str, *, background: bool = False) -> WishList | None:
        """Return a client's list."""
        return self._lists.get((client, background))

    def same(self, producer_key: str) -> list[WishList]:
        """Return the lists that wish for tiles of a producer."""
        return [w for w in self._lists.values() if w.producer.key == producer_key]

    def drop(self, client: str, *, background: bool | None = None) -> None:
        """Forget what a client wished for."""
        for kind in (True, False) if background is None else (background,):
            self._lists.pop((client, kind), None)

    def replace(
        self, wishes: WishList, addresses: Collection[TileAddress], busy: Collection[TileAddress]
    ) -> None:
        """Put ``wishes`` in the place of the client's former list.

        Part of the former view keeps its turn and its count; tiles known to be missing stay so;
        ``busy`` tiles, being made now, are wanted but not made again. A tile that keeps falling out
        of the cache, because it is too small for the view, is not made over and over.
        """
        former = self._lists.get((wishes.client, wishes.background))
        wishes.view = frozenset(addresses)
        if former is None or former.producer.key != wishes.producer.key:
            former = None
        elif not wishes.background and wishes.view <= former.view:
            wishes.stamp, wishes.done, wishes.view = former.stamp, former.done, former.view
            wishes.finished = former.finished
        wishes.asked.update(a for a in addresses if wishes.finished[a] < _MOST_REPEATS)
        for address in former.missing if former else ():
            if wishes.wants(address) and address not in busy:
                wishes.lack(address)
        for address in wishes.asked:
            if address not in busy and address not in wishes.missing:
                wishes.unseen.add(address, wishes.rank(address))
        self._lists[wishes.client, wishes.background] = wishes

    def next_stamp(self) -> int:
        """Return a number greater than all before."""
        return next(self._stamps)

    def finish(self, producer_key: str, address: TileAddress) -> None:
        """Let go of a finished tile in every list, and count it."""
        for wishes in self.same(producer_key):
            wishes.done += wishes.wants(address) and address.level < wishes.producer.levels
            if address in wishes.view:
                wishes.finished[address] += 1
            wishes.forget(address)

    def forget(self, producer_key: str, address: TileAddress) -> None:
        """Let go of a failed tile in every list."""
        for wishes in self.same(producer_key):
            wishes.forget(address)

    def clear(self) -> None:
        """Forget every list."""
        self._lists.clear()

    def wanted(self, producer_key: str, address: TileAddress, *, urgent: bool = False) -> bool:
        """Return whether anybody (``urgent``: any view) wants a tile."""
        lists = (w for w in self.same(producer_key) if not (urgent and w.background))
        return any(w.wants(address) for w in lists)

    def waiting(self) -> bool:
        """Return whether a view waits for a look into the cache or for a tile to be made."""
        return any(not w.background and (w.unseen or w.missing) for w in self._lists.values())

    def looking(self) -> bool:
        """Return whether a view waits for a look into the cache."""
        return any(not w.background and w.unseen for w in self._lists.values())

    def to_look_for(self, most_missing: int) -> tuple[WishList, TileAddress] | None:
        """Return the next tile to look for in the cache; background pauses at ``most_missing``."""
        for wishes in self:
            if wishes.background and not wishes.unseen and len(wishes.missing) < most_missing:
                for address in itertools.islice(wishes.source, 1):
                    wishes.wish(address)
            if (address_ := wishes.unseen.first()) is not None:
                return wishes, address_
        return None

    def to_make(self) -> WishList | None:
        """Return the list whose first missing tile is to be made next."""
        for wishes in self:
            if wishes.background and self.waiting():
                return None
            if wishes.ready:
                return wishes
        return None
