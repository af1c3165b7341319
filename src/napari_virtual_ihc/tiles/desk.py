"""What the threads of a tile service share: wishes, work under way, failures; one lock."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from napari_virtual_ihc.tiles.notices import Speed, Subscribers, TileEvent
from napari_virtual_ihc.tiles.threads import program_ends
from napari_virtual_ihc.tiles.wishes import WishBoard, WishList
from napari_virtual_ihc.tiles.work import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer
    from napari_virtual_ihc.tiles.work import Job

_POLL = 0.5


class Desk:
    """State between callers, maker and finder; its methods may be called from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.board = WishBoard()
        self.subscribers = Subscribers()
        self.speeds: dict[str, Speed] = {}
        self.busy: dict[str, set[TileAddress]] = {}
        self.folds: deque[tuple[TileProducer, TileAddress, Pixels]] = deque()
        self.closing = False
        self.deaths: list[str] = []
        self._failures: dict[str, dict[TileAddress, str]] = {}

    def submit(self, wishes: WishList, addresses: Iterable[TileAddress]) -> None:
        """Put a client's wishes in the place of its former ones."""
        with self.changed:
            wishes.stamp = self.board.next_stamp()
            key = wishes.producer.key
            failed = self._failures.setdefault(key, {})
            wanted = (address for address in addresses if address not in failed)
            if wishes.background:
                wishes.source = wanted
                self.board.replace(wishes, (), ())
            else:
                self.board.replace(wishes, tuple(wanted), self.busy.get(key, ()))
            self.speeds.setdefault(wishes.client, Speed())
            self.changed.notify_all()

    def wait_for(self, look: Callable[[], bool]) -> bool:
        """Wait until ``look()`` finds work; False once the service closes. Call with the lock."""
        while not self.closing and not program_ends():
            if look():
                return True
            self.changed.wait(_POLL)
        return False

    def cancelled(self, job: Job) -> bool:
        """Return whether nobody waits for a job, or a view waits for something else than it."""
        with self.changed:
            key, urgent = job.producer.key, job.background and self.board.waiting()
            wanted = (self.board.wanted(key, address, urgent=urgent) for address in job.addresses)
            return self.closing or not any(wanted)

    def begin(self, job: Job) -> None:
        """Note that a job's tiles are being made, so that nobody else makes them."""
        with self.changed:
            self.busy.setdefault(job.producer.key, set()).update(job.addresses)
            for wishes in self.board.same(job.producer.key):
                for address in job.addresses:
                    wishes.missing.discard(address)
                    wishes.unseen.discard(address)

    def end(self, job: Job, made: Mapping[TileAddress, Pixels], undone: set[TileAddress]) -> None:
        """Note what a job made; tiles left undone go back to those who still want them."""
        key = job.producer.key
        with self.changed:
            self.busy.pop(key, None)
            self.folds.extend((job.producer, address, pixels) for address, pixels in made.items())
            for address in made:
                self._failures.get(key, {}).pop(address, None)
                self.finish(key, address)
            for wishes in self.board.same(key):
                for address in filter(wishes.wants, undone):
                    wishes.lack(address)
            self.changed.notify_all()

    def finish(self, key: str, address: TileAddress) -> None:
        """Count a finished tile for everyone who wants it, and let go of it."""
        with self.changed:
            for wishes in self.board.same(key):
                if wishes.wants(address) and wishes.client in self.speeds:
                    self.speeds[wishes.client].tick()
            self.board.finish(key, address)

    def fail(self, key: str, reasons: Mapping[TileAddress, str]) -> None:
        """Remember failed tiles, which are not tried again by themselves, and tell the clients."""
        with self.changed:
            self._failures.setdefault(key, {}).update(reasons)
            for address in reasons:
                self.board.forget(key, address)
        for address, reason in reasons.items():
            self.tell(TileEvent(key, address, reason))

    def failures(self, key: str) -> dict[TileAddress, str]:
        """Return the failed tiles of a producer and the reason of each."""
        with self.changed:
            return dict(self._failures.get(key, {}))

    def pardon(self, key: str) -> int:
        """Forget the failures of a producer and return how many there were."""
        with self.changed:
            failed = self._failures.get(key, {})
            count = len(failed)
            failed.clear()
            return count

    def leave(self, client: str) -> set[str]:
        """Forget a client; return the keys of the producers still in use."""
        with self.changed:
            self.board.drop(client)
            self.subscribers.remove(client)
            self.speeds.pop(client, None)
            used = {wishes.producer.key for wishes in self.board}
            for key in self._failures.keys() - used:
                del self._failures[key]
            return used

    def tell(self, event: TileEvent) -> None:
        """Call the clients, without the lock."""
        self.subscribers.tell(event)

    def bury(
        self, producer: TileProducer, addresses: Iterable[TileAddress], error: BaseException | None
    ) -> None:
        """Record that a thread died of ``error`` over these tiles, and fail them."""
        reason = f"The worker of {producer.label} stopped: {reason_of(error)}"
        with self.changed:
            self.busy.pop(producer.key, None)
            self.deaths.append(reason)
        self.fail(producer.key, dict.fromkeys(addresses, reason))
