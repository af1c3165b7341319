"""Tiles on disk, shared by processes: one file a tile, renamed into place, checked on read."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_virtual_ihc.tiles.tile_file import decode_tile, encode_tile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_virtual_ihc.tiles.producer import Pixels

_SUFFIX = ".tile"
_TOUCH_AFTER = 60.0
_STALE_TEMPORARY = 3600.0
_STALE_LOCK = 30.0
_KEEP_SHARE = 0.9
_RESCAN_SHARE = 128


@dataclass(frozen=True)
class _Entry:
    used: float
    size: int
    path: str


class DiskTiles:
    """A folder of tiles bounded by a quota; an entry is right, or it is a miss.

    The quota is kept approximately: each process counts what it wrote and looks at the folder again
    after every 1/128 of the quota; the least recently used files go, down to 90 %.

    Parameters
    ----------
    folder
        Created on the first write.
    quota
        Bytes; 0 keeps nothing.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder = folder
        self.quota = quota
        self.notice: str | None = None
        self._unchecked: int | None = None

    def read(self, key: str) -> Pixels | None:
        """Return the read-only tile, or None; a damaged file is deleted."""
        path = self._path(key)
        try:
            with open(path, "rb", buffering=0) as file:
                content = file.read()
                age = time.time() - os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        pixels = decode_tile(key, content or b"")
        if pixels is None:
            _remove(path)
        elif age > _TOUCH_AFTER:
            with contextlib.suppress(OSError):
                os.utime(path)
        return pixels

    def exists(self, key: str) -> bool:
        """Return whether a file of that name is there; its content is checked when it is read."""
        return os.path.exists(self._path(key))

    def write(self, key: str, pixels: Pixels) -> None:
        """Keep a tile; where the disk refuses, say so once in ``notice`` and write no more."""
        if self.notice is not None or self.exists(key):
            return
        try:
            content = encode_tile(key, pixels)
            if len(content) <= self.quota:
                self._make_room(len(content))
                self._write_file(self._path(key), content)
        except OSError as error:
            self._give_up(error.strerror or str(error))
        except MemoryError:
            self._give_up("out of memory")

    def usage(self) -> tuple[int, int]:
        """Return ``(bytes, files)`` in the folder now, whoever wrote them."""
        entries = list(self._entries())
        return sum(entry.size for entry in entries), len(entries)

    def clear(self) -> None:
        """Delete every tile and allow writing again."""
        for entry in self._entries():
            _remove(entry.path)
        self.allow()

    def enforce(self) -> None:
        """Delete what is beyond the quota now, the least recently used first."""
        self._evict(0)

    def allow(self) -> None:
        """Allow writing again and look at the folder before the next write."""
        self.notice = None
        self._unchecked = None

    def _give_up(self, reason: str) -> None:
        self.notice = (
            f"The tile cache {self.folder} cannot be written ({reason}); "
            "tiles are kept in memory only."
        )

    def _path(self, key: str) -> str:
        return f"{self.folder}{os.sep}{key[:2]}{os.sep}{key[2:]}{_SUFFIX}"

    def _write_file(self, path: str, content: bytes) -> None:
        temporary = os.path.join(self.folder, "tmp", f"{os.getpid()}-{uuid.uuid4().hex}")
        os.makedirs(os.path.dirname(temporary), exist_ok=True)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            _write_all(temporary, content)
            os.replace(temporary, path)
        except BaseException:
            _remove(temporary)
            raise

    def _make_room(self, coming: int) -> None:
        unchecked = self._unchecked
        if unchecked is not None and unchecked + coming <= self.quota // _RESCAN_SHARE:
            self._unchecked = unchecked + coming
            return
        self._unchecked = coming
        with self._lock() as held:
            if held:
                self._sweep_temporaries()
                self._evict(coming)

    def _evict(self, coming: int) -> None:
        entries = list(self._entries())
        total = coming + sum(entry.size for entry in entries)
        if total <= self.quota - self.quota // _RESCAN_SHARE:
            return
        for entry in sorted(entries, key=lambda entry: entry.used):
            if total <= self.quota * _KEEP_SHARE:
                return
            _remove(entry.path)
            total -= entry.size

    def _entries(self) -> Iterator[_Entry]:
        for folder in _scan(self.folder):
            if len(folder.name) == 2:
                yield from (_entry(file) for file in _scan(folder.path) if _is_tile(file))

    def _sweep_temporaries(self) -> None:
        now = time.time()
        for file in _scan(os.path.join(self.folder, "tmp")):
            if now - _entry(file).used > _STALE_TEMPORARY:
                _remove(file.path)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[bool]:
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, "lock")
        held = _take(path)
        try:
            yield held
        finally:
            if held:
                _remove(path)


def _take(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        with contextlib.suppress(OSError):
            if time.time() - os.stat(path).st_mtime > _STALE_LOCK:
                os.unlink(path)
        return False
    return True


def _write_all(path: str, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def _scan(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_tile(file: os.DirEntry[str]) -> bool:
    return file.name.endswith(_SUFFIX)


def _entry(file: os.DirEntry[str]) -> _Entry:
    try:
        stat = file.stat()
    except OSError:
        return _Entry(time.time(), 0, file.path)
    return _Entry(stat.st_mtime, stat.st_size, file.path)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
