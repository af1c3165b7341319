"""The tile cache: memory over disk; what it returns is right, or it is a miss."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import CacheError
from napari_virtual_ihc.tiles.disk import DiskTiles
from napari_virtual_ihc.tiles.memory import MemoryTiles, frozen

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress

_MOST_PENDING = 64
_PATIENCE = 2.0


def tile_key(producer_key: str, address: TileAddress) -> str:
    """Return the 32 hex digits that name a tile of a producer."""
    text = f"{producer_key}/{address.level}/{address.row}/{address.col}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class CacheStats:
    """What the cache holds and how often it helped; bytes are bytes."""

    memory_bytes: int
    memory_tiles: int
    disk_bytes: int
    disk_tiles: int
    hits: int
    misses: int


class TileCache:
    """Tiles in memory (bytes bound) over tiles on disk (quota), shared by processes.

    ``put`` keeps the tile in memory at once and leaves compression and writing to a thread of the
    cache, so that a worker is not held up; until written, the tile is found among the pending ones.
    Where the disk falls behind by 64 tiles, ``put`` waits up to 2 s, then leaves the disk out.

    Parameters
    ----------
    folder
        Folder of the disk layer; None for memory only.
    memory_bytes, disk_bytes
        Bounds in bytes.
    """

    def __init__(self, folder: Path | None, memory_bytes: int, disk_bytes: int) -> None:
        self._memory = MemoryTiles(memory_bytes)
        self._provisional = MemoryTiles(max(memory_bytes // 8, 1))
        self._disk = None if folder is None else DiskTiles(folder, disk_bytes)
        self._changed = threading.Condition()
        self._pending: OrderedDict[str, Pixels] = OrderedDict()
        self._writing = False
        self._writer: threading.Thread | None = None
        self._closed = False
        self._hits = 0
        self._misses = 0

    @property
    def notice(self) -> str | None:
        """One sentence where the disk layer had to stop writing, else None."""
        return None if self._disk is None else self._disk.notice

    def get(self, key: str, *, disk: bool = True) -> Pixels | None:
        """Return a read-only tile from memory or (``disk``) from disk, or None; may read a file."""
        pixels = self._memory.get(key)
        if pixels is None and disk and self._disk is not None:
            pixels = self._from_disk(key, self._disk)
        with self._changed:
            self._hits += pixels is not None
            self._misses += pixels is None
        return pixels

    def get_memory(self, key: str) -> Pixels | None:
        """Return a read-only tile from memory, or None; never touches a file."""
        return self._memory.get(key)

    def contains(self, key: str, *, disk: bool = True) -> bool:
        """Return whether a tile seems to be there, without reading or checking its file."""
        if self._memory.get(key) is not None:
            return True
        if not disk or self._disk is None:
            return False
        with self._changed:
            pending = key in self._pending
        return pending or self._disk.exists(key)

    def put(self, key: str, pixels: Pixels, *, disk: bool = True, memory: bool = True) -> None:
        """Keep a finished tile in memory and (``disk``) on disk.

        ``memory=False`` spares the memory for what is on screen, where the disk takes the tile.

        Raises
        ------
        CacheError
            If ``pixels`` is not uint8 YXC.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3:
            raise CacheError(f"A cached tile is uint8 YXC, not {pixels.dtype} {pixels.shape}.")
        kept = frozen(pixels)
        writable = disk and self._disk is not None and self._disk.notice is None
        if memory or not writable:
            self._memory.put(key, kept)
        self._provisional.discard(key)
        if writable:
            self._write_later(key, kept)

    def get_provisional(self, key: str) -> Pixels | None:
        """Return unfinished pixels of a tile (a preview, a coarse tile in the making), or None."""
        return self._provisional.get(key)

    def put_provisional(self, key: str, pixels: Pixels) -> None:
        """Keep unfinished pixels in memory only, bounded by an eighth of the memory bound."""
        self._provisional.put(key, pixels)

    def stats(self) -> CacheStats:
        """Return what is held now; lists the folder, so not for the GUI thread."""
        memory, provisional = self._memory.usage(), self._provisional.usage()
        disk = (0, 0) if self._disk is None else self._disk.usage()
        with self._changed:
            hits, misses = self._hits, self._misses
        return CacheStats(memory[0] + provisional[0], memory[1], *disk, hits, misses)

    def memory_bytes(self) -> int:
        """Return the bytes held in memory; quick."""
        return self._memory.usage()[0] + self._provisional.usage()[0]

    def clear_memory(self) -> None:
        """Forget what is in memory; what is on disk stays."""
        self._memory.clear()
        self._provisional.clear()

    def clear(self) -> None:
        """Forget everything, in memory and on disk, whoever wrote it."""
        with self._changed:
            self._pending.clear()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._writing)
        self.clear_memory()
        if self._disk is not None:
            self._disk.clear()

    def set_bound(self, *, memory_bytes: int | None = None, disk_bytes: int | None = None) -> None:
        """Change the bounds in bytes; memory shrinks at once, the disk before its next write."""
        if memory_bytes is not None:
            self._memory.set_bound(memory_bytes)
            self._provisional.set_bound(max(memory_bytes // 8, 1))
        if disk_bytes is not None and self._disk is not None:
            self._disk.quota = disk_bytes
            self._disk.allow()

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until every pending tile is on disk; False if that takes over ``timeout`` s."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending and not self._writing, timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is pending and stop the writer; False if it outlives ``timeout`` s."""
        with self._changed:
            self._closed = True
            writer = self._writer
            self._changed.notify_all()
        if writer is None:
            return True
        writer.join(timeout)
        return not writer.is_alive()

    def _from_disk(self, key: str, disk: DiskTiles) -> Pixels | None:
        with self._changed:
            pixels = self._pending.get(key)
        if pixels is None:
            pixels = disk.read(key)
        return None if pixels is None else self._memory.put(key, pixels)

    def _write_later(self, key: str, pixels: Pixels) -> None:
        with self._changed:
            self._changed.wait_for(self._has_room, _PATIENCE)
            if self._closed or not self._has_room():
                return
            self._pending[key] = pixels
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="tile-cache-writer")
                self._writer.start()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._pending) < _MOST_PENDING or self._closed

    def _write_all(self) -> None:
        while (item := self._next_pending()) is not None:
            if self._disk is not None:
                self._disk.write(*item)
            with self._changed:
                self._writing = False
                if self._pending.get(item[0]) is item[1]:
                    del self._pending[item[0]]
                self._changed.notify_all()

    def _next_pending(self) -> tuple[str, Pixels] | None:
        with self._changed:
            while not self._pending:
                if self._closed or not threading.main_thread().is_alive():
                    return None
                self._changed.wait(0.5)
            self._writing = True
            return next(iter(self._pending.items()))
