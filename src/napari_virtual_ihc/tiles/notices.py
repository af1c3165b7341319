"""What a service tells its clients: finished tiles and progress."""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.producer import TileAddress

_WINDOW = 10.0


@dataclass(frozen=True)
class TileEvent:
    """A tile whose pixels changed, or that failed (``failure`` is the reason, one sentence).

    ``provisional`` pixels (a preview, a coarse tile in the making) may change again.
    """

    producer_key: str
    address: TileAddress
    failure: str | None = None
    provisional: bool = False


@dataclass(frozen=True)
class Progress:
    """Tiles of a client's present view, and its speed over the last ten seconds."""

    wanted: int
    done: int
    failed: int
    background: int
    tiles_per_second: float


Callback = Callable[[TileEvent], None]


class Subscribers:
    """Callbacks held weakly: a layer that is gone is no longer called."""

    def __init__(self) -> None:
        self._held: dict[str, weakref.ReferenceType[Callback]] = {}

    def add(self, client: str, callback: Callback) -> None:
        """Call ``callback`` from now on; keep a reference to it elsewhere."""
        bound = isinstance(callback, MethodType)
        self._held[client] = weakref.WeakMethod(callback) if bound else weakref.ref(callback)

    def remove(self, client: str) -> None:
        """Call a client no more."""
        self._held.pop(client, None)

    def clear(self) -> None:
        """Call nobody any more."""
        self._held.clear()

    def tell(self, event: TileEvent) -> None:
        """Call everyone who is still there; who is half gone (a closed Qt object) is let go."""
        for client, reference in list(self._held.items()):
            callback = reference()
            try:
                if callback is not None:
                    callback(event)
            except RuntimeError:
                self.remove(client)


class Speed:
    """Finished tiles per second over a sliding window."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=4096)

    def tick(self) -> None:
        """Note a finished tile."""
        self._times.append(time.monotonic())

    def rate(self) -> float:
        """Return tiles per second over the last ten seconds."""
        now = time.monotonic()
        while self._times and now - self._times[0] > _WINDOW:
            self._times.popleft()
        if not self._times:
            return 0.0
        return len(self._times) / max(now - self._times[0], 1.0)
