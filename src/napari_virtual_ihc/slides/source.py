"""Where pixels come from: the protocol every reader keeps, and the base the file readers share."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Pixels = tuple["NDArray[np.uint8]", "NDArray[np.bool_]"]
"""RGB of shape (h, w, 3) and its validity of shape (h, w)."""

GLASS = (242, 242, 242)
"""Grey of clean glass, used where a source must fill before the slide's own colour is known."""

CACHE_BYTES = 64 << 20
_TURNS = 32


class TileSource(Protocol):
    """Levels of RGB pixels, read window by window."""

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level in px, level 0 first, strictly shrinking."""
        ...

    @property
    def tile_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the blocks each level is stored in, in px."""
        ...

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """Return the window of a level, which must lie inside it.

        Thread-safe. A tile that cannot be decoded never raises: its pixels are filled and
        their validity is False.

        Returns
        -------
        tuple
            uint8 RGB of shape (h, w, 3) and bool of shape (h, w).
        """
        ...


class ChunkCache:
    """Decoded tiles, least recently used out first, bounded in bytes; the newest always stays."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._bytes = 0
        self._items: OrderedDict[tuple[int, int, int], Pixels | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int, int]) -> tuple[bool, Pixels | None]:
        """Return whether ``key`` is held, and what it holds (None: a tile that cannot be read)."""
        with self._lock:
            if key not in self._items:
                return False, None
            self._items.move_to_end(key)
            return True, self._items[key]

    def put(self, key: tuple[int, int, int], value: Pixels | None) -> None:
        """Hold ``value`` and drop what is oldest until the bound is kept."""
        with self._lock:
            self._bytes += _size(value) - _size(self._items.pop(key, None))
            self._items[key] = value
            while self._bytes > self._limit and len(self._items) > 1:
                self._bytes -= _size(self._items.popitem(last=False)[1])


def _size(value: Pixels | None) -> int:
    return 0 if value is None else value[0].nbytes + value[1].nbytes


class ChunkSource(ABC):
    """A source stored in a regular grid of tiles, each decoded whole and cached.

    Threads that want the same tile wait for the one that decodes it. A tile may be made from
    tiles of a finer level of the same source, never of its own or a coarser one.

    A subclass sets the geometry and says how one tile is decoded.

    Parameters
    ----------
    shapes, tile_shapes
        As in :class:`TileSource`.
    cache_bytes
        Bound of the decoded tiles held in memory.
    """

    def __init__(
        self,
        shapes: tuple[tuple[int, int], ...],
        tile_shapes: tuple[tuple[int, int], ...],
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._shapes = shapes
        self._tile_shapes = tile_shapes
        self._cache = ChunkCache(cache_bytes)
        self._turns = [[threading.Lock() for _ in range(_TURNS)] for _ in shapes]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level in px."""
        return self._shapes

    @property
    def tile_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of a stored tile of each level in px."""
        return self._tile_shapes

    @abstractmethod
    def decode(self, level: int, row: int, col: int) -> Pixels | None:
        """Return one tile, clipped to the level or not, or None if it cannot be read."""

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """Return the window, pasted from cached tiles (see :meth:`TileSource.read`)."""
        pixels = np.empty((h, w, 3), np.uint8)
        valid = np.ones((h, w), np.bool_)
        for row, col, inside, within in self._pieces(level, y, x, h, w):
            tile = self._tile(level, row, col)
            if tile is None:
                pixels[inside] = GLASS
                valid[inside] = False
            else:
                pixels[inside] = tile[0][within]
                valid[inside] = tile[1][within]
        return pixels, valid

    def _tile(self, level: int, row: int, col: int) -> Pixels | None:
        key = (level, row, col)
        held, tile = self._cache.get(key)
        if held:
            return tile
        with self._turns[level][hash(key) % _TURNS]:
            held, tile = self._cache.get(key)
            return tile if held else self._decoded(level, row, col)

    def _decoded(self, level: int, row: int, col: int) -> Pixels | None:
        tile = self.decode(level, row, col)
        if tile is not None and not self._covers(level, row, col, tile):
            tile = None
        self._cache.put((level, row, col), tile)
        return tile

    def _covers(self, level: int, row: int, col: int, tile: Pixels) -> bool:
        height, width = self._shapes[level]
        th, tw = self._tile_shapes[level]
        need = (min(th, height - row * th), min(tw, width - col * tw))
        return all(have >= want for have, want in zip(tile[1].shape, need, strict=True))

    def _pieces(
        self, level: int, y: int, x: int, h: int, w: int
    ) -> Iterator[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
        th, tw = self._tile_shapes[level]
        for row in range(y // th, -(-(y + h) // th)):
            rows, from_rows = _overlap(y, h, row * th, th)
            for col in range(x // tw, -(-(x + w) // tw)):
                cols, from_cols = _overlap(x, w, col * tw, tw)
                yield row, col, (rows, cols), (from_rows, from_cols)


def _overlap(start: int, length: int, tile_start: int, tile: int) -> tuple[slice, slice]:
    low, high = max(start, tile_start), min(start + length, tile_start + tile)
    return slice(low - start, high - start), slice(low - tile_start, high - tile_start)


def all_valid(pixels: NDArray[np.uint8]) -> Pixels:
    """Return ``pixels`` with a mask that says every one of them is right."""
    return pixels, np.broadcast_to(np.True_, pixels.shape[:2])


def scales_of(shapes: tuple[tuple[int, int], ...]) -> tuple[float, ...]:
    """Return the downsample of each level against level 0.

    A whole number is taken where the shapes agree with it to the rounding of one pixel, since
    2967 rows halved are 1483 or 1484; else the geometric mean of both axes' ratios.
    """
    return tuple(_scale(shapes[0], shape) for shape in shapes)


def _scale(full: tuple[int, int], shape: tuple[int, int]) -> float:
    ratio = math.sqrt((full[0] / shape[0]) * (full[1] / shape[1]))
    whole = max(round(ratio), 1)
    if all(abs(big / whole - small) <= 1 for big, small in zip(full, shape, strict=True)):
        return float(whole)
    return ratio
