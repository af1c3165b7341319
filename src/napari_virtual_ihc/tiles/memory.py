"""Tiles in memory: least recently used first out, bounded by bytes, safe between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_virtual_ihc.tiles.producer import Pixels

_OVERHEAD = 200


def frozen(pixels: Pixels) -> Pixels:
    """Return ``pixels`` read-only; a tile of one colour (blank) as a broadcast of one pixel."""
    if (pixels[0, 0] == pixels[-1, -1]).all() and (pixels == pixels[0, 0]).all():
        return np.broadcast_to(pixels[:1, :1].copy(), pixels.shape)
    if pixels.flags.writeable or pixels.base is not None:
        pixels = pixels.copy()
        pixels.flags.writeable = False
    return pixels


def cost(pixels: Pixels) -> int:
    """Return the bytes a tile occupies in memory."""
    return _OVERHEAD + (0 if pixels.strides[0] == 0 else pixels.nbytes)


class MemoryTiles:
    """A least-recently-used map of read-only arrays whose bytes stay within ``bound``."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._tiles: OrderedDict[str, Pixels] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> Pixels | None:
        """Return the tile, now the most recently used, or None."""
        with self._lock:
            pixels = self._tiles.get(key)
            if pixels is not None:
                self._tiles.move_to_end(key)
            return pixels

    def put(self, key: str, pixels: Pixels) -> Pixels:
        """Keep a read-only copy, drop the oldest beyond the bound, and return the copy."""
        kept = frozen(pixels)
        with self._lock:
            self._forget(key)
            if cost(kept) <= self._bound:
                self._tiles[key] = kept
                self._bytes += cost(kept)
                self._shrink()
        return kept

    def discard(self, key: str) -> None:
        """Forget one tile where it is held."""
        with self._lock:
            self._forget(key)

    def set_bound(self, bound: int) -> None:
        """Change the bound in bytes, dropping the oldest tiles beyond it."""
        with self._lock:
            self._bound = bound
            self._shrink()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._tiles.clear()
            self._bytes = 0

    def usage(self) -> tuple[int, int]:
        """Return ``(bytes, entries)``."""
        with self._lock:
            return self._bytes, len(self._tiles)

    def _forget(self, key: str) -> None:
        former = self._tiles.pop(key, None)
        if former is not None:
            self._bytes -= cost(former)

    def _shrink(self) -> None:
        while self._bytes > self._bound:
            _, oldest = self._tiles.popitem(last=False)
            self._bytes -= cost(oldest)
