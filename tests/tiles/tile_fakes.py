"""A deterministic producer that can be slow, fail, run out of memory, or kill its thread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled, SlideError
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels


def truth(grid: TileGrid, address: TileAddress, key: str = "fake") -> Pixels:
    """Noise that depends on key and address; every fifth tile is blank, borders are half clear."""
    _, _, height, width = grid.level(address.level).box(address.row, address.col)
    if (address.row + 2 * address.col) % 5 == 4:
        return np.zeros((height, width, 4), np.uint8)
    seed = [len(key), *key.encode(), *address]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[::7, ::3, 3] = 0
    return pixels


class FakeProducer:
    """A ``TileProducer`` of noise; counts its calls and can be told to misbehave."""

    def __init__(
        self,
        grid: TileGrid,
        *,
        key: str = "fake",
        levels: int = 1,
        batch: int = 1,
        block: int = 1,
        seconds: float = 0.0,
        persist: bool = True,
    ) -> None:
        self.grid = grid
        self.key = key
        self.label = "the fake"
        self.levels = levels
        self.batch = batch
        self.persist = persist
        self._block = block
        self.seconds = seconds
        self.made: Counter[TileAddress] = Counter()
        self.order: list[TileAddress] = []
        self.calls: list[tuple[TileAddress, ...]] = []
        self.threads: set[int] = set()
        self.cancelled = 0
        self.faults: dict[TileAddress, BaseException] = {}
        self.bad: dict[TileAddress, str] = {}
        self.gate: threading.Event | None = None
        self.began = threading.Event()

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        block, grid = self._block, self.grid.level(address.level)
        row, col = address.row // block * block, address.col // block * block
        mates = [
            TileAddress(address.level, row + i, col + j) for i in range(block) for j in range(block)
        ]
        return [mate for mate in mates if grid.holds(mate.row, mate.col)]

    def produce(
        self,
        addresses: Sequence[TileAddress],
        *,
        preview: Callable[[TileAddress, Pixels], None],
        cancelled: Callable[[], bool],
    ) -> dict[TileAddress, Pixels | TileFailure]:
        self.threads.add(threading.get_ident())
        self.calls.append(tuple(addresses))
        self.began.set()
        self._pause(cancelled)
        for address in addresses:
            if (fault := self.faults.get(address)) is not None:
                raise fault
        return {address: self._make(address) for address in addresses}

    def _make(self, address: TileAddress) -> Pixels | TileFailure:
        if (reason := self.bad.get(address)) is not None:
            return TileFailure(reason)
        self.made[address] += 1
        self.order.append(address)
        return truth(self.grid, address, self.key)

    def _pause(self, cancelled: Callable[[], bool]) -> None:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end or (self.gate is not None and not self.gate.is_set()):
            if cancelled():
                self.cancelled += 1
                raise Cancelled
            time.sleep(0.002)


def broken(text: str) -> SlideError:
    return SlideError(text)


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True
