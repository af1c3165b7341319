"""Coarser levels from finished tiles: a model never runs at a scale it was not made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.tiles.cache import tile_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer

_ALL = 0b1111
_BEGUN = 0b10000


def halve(pixels: Pixels) -> Pixels:
    """Return RGBA pixels at half the scale: 2 × 2 means, colours weighted by alpha.

    Where all four are clear their colours count alike: a screen interpolates between clear and
    opaque pixels, and would darken the border if the clear ones were black. Integers rounded half
    up, so the bytes are the same everywhere; odd edges average what exists.

    Parameters
    ----------
    pixels
        uint8 (h, w, 4), colours not premultiplied.

    Returns
    -------
    NDArray
        uint8 (ceil(h / 2), ceil(w / 2), 4).
    """
    odd = ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0))
    even = np.pad(pixels, odd, mode="edge") if odd[0][1] or odd[1][1] else pixels
    alpha = even[..., 3:]
    if alpha.min() == 255:
        return ((_sum_blocks(even.astype(np.uint16)) + 2) >> 2).astype(np.uint8)
    weight = _sum_blocks(alpha.astype(np.uint32))
    clear = weight == 0
    share = np.where(np.repeat(np.repeat(clear, 2, 0), 2, 1), np.uint32(1), alpha)
    colour = _sum_blocks(even[..., :3] * share)
    total = np.where(clear, 4, weight)
    mean = (colour + total // 2) // total
    return np.dstack([mean, (weight + 2) >> 2]).astype(np.uint8)


def _sum_blocks(values: NDArray[Any]) -> NDArray[Any]:
    rows = values[0::2] + values[1::2]
    total: NDArray[Any] = rows[:, 0::2] + rows[:, 1::2]
    return total


@dataclass(frozen=True)
class Settled:
    """A coarse tile as far as it is known: no pixels yet, provisional ones, or final ones."""

    pixels: Pixels | None
    final: bool
    fresh: bool


class CoarseTiles:
    """The derived levels of one producer, kept up to date as its tiles finish.

    A coarse tile is final, and cached as such, once all its children are; until then its pixels are
    provisional with transparent quadrants. What is known about a tile covers all tiles below it, so
    a finished tile climbs until it meets a tile nobody asked for. One thread uses an instance.
    """

    def __init__(self, cache: TileCache, producer: TileProducer) -> None:
        self._cache = cache
        self._key = producer.key
        self._persist = producer.persist
        self._grid = producer.grid
        self._finest = producer.levels - 1
        self._final: dict[TileAddress, int] = {}

    def settle(self, address: TileAddress, stop: Callable[[], bool]) -> Settled:
        """Return what is known of a tile, looking through the cache where that is not known yet.

        Raises
        ------
        Cancelled
            Once ``stop()`` is true; what was looked through until then stays known.
        """
        key = self._name(address)
        if (pixels := self._cache.get(key, disk=self._persist)) is not None:
            return Settled(pixels, True, True)
        if address.level <= self._finest:
            return Settled(None, False, False)
        canvas = self._cache.get_provisional(key)
        if address in self._final and (canvas is not None or not self._begun(address)):
            return Settled(canvas, False, False)
        return self._look_through(address, stop)

    def fold(self, address: TileAddress, pixels: Pixels) -> list[TileAddress]:
        """Draw a finished tile into its known ancestors and return those that changed.

        Only the part that changed climbs, so that all ancestors together cost a third of the first.
        """
        changed: list[TileAddress] = []
        child, settled, part = address, True, (slice(None), slice(None))
        while (parent := child.ancestor(1)) in self._final:
            bit = _bit(child)
            if self._final[parent] & bit:
                break
            changed.append(parent)
            canvas = self._canvas(parent)
            if canvas is None:
                self._forget(parent)
                break
            part = _draw(canvas, child, self._grid.tile, halve(pixels[part]), part)
            settled = self._keep(parent, canvas, self._final[parent] | (bit if settled else 0))
            child, pixels = parent, canvas
        return changed

    def missing(self, address: TileAddress) -> Iterator[TileAddress]:
        """Yield the native tiles that a known, unfinished coarse tile still waits for."""
        if address.level <= self._finest:
            yield address
            return
        final = self._final.get(address, _ALL)
        for child in self._children(address):
            if not final & _bit(child):
                yield from self.missing(child)

    def _look_through(self, address: TileAddress, stop: Callable[[], bool]) -> Settled:
        if stop():
            raise Cancelled
        children = self._children(address)
        canvas, final = None, _ALL & ~sum(map(_bit, children))
        for child in children:
            known = self.settle(child, stop)
            if known.pixels is not None:
                canvas = self._blank(address) if canvas is None else canvas
                _draw(canvas, child, self._grid.tile, halve(known.pixels))
            final |= _bit(child) if known.final else 0
        if canvas is None:
            self._final[address] = final
            return Settled(None, False, True)
        return Settled(canvas, self._keep(address, canvas, final), True)

    def _keep(self, address: TileAddress, canvas: Pixels, final: int) -> bool:
        key = self._name(address)
        canvas.flags.writeable = False
        if final & _ALL == _ALL:
            self._final.pop(address, None)
            self._cache.put(key, canvas, disk=self._persist)
            return True
        self._final[address] = final | _BEGUN
        self._cache.put_provisional(key, canvas)
        return False

    def _canvas(self, address: TileAddress) -> Pixels | None:
        canvas = self._cache.get_provisional(self._name(address))
        if canvas is not None:
            return canvas.copy()
        return None if self._begun(address) else self._blank(address)

    def _forget(self, address: TileAddress) -> None:
        while address in self._final:
            del self._final[address]
            address = address.ancestor(1)

    def _begun(self, address: TileAddress) -> bool:
        return bool(self._final[address] & _BEGUN)

    def _children(self, address: TileAddress) -> list[TileAddress]:
        finer = self._grid.level(address.level - 1)
        return [child for child in address.children() if finer.holds(child.row, child.col)]

    def _blank(self, address: TileAddress) -> Pixels:
        _, _, height, width = self._grid.level(address.level).box(address.row, address.col)
        return np.zeros((height, width, 4), np.uint8)

    def _name(self, address: TileAddress) -> str:
        return tile_key(self._key, address)


def _bit(child: TileAddress) -> int:
    return 1 << (2 * (child.row % 2) + child.col % 2)


def _draw(
    canvas: Pixels,
    child: TileAddress,
    tile: int,
    half: Pixels,
    part: tuple[slice, slice] = (slice(None), slice(None)),
) -> tuple[slice, slice]:
    """Draw the halved ``part`` of a child; return what changed, widened to whole 2 × 2 blocks."""
    y = child.row % 2 * (tile // 2) + (part[0].start or 0) // 2
    x = child.col % 2 * (tile // 2) + (part[1].start or 0) // 2
    height, width, _ = half.shape
    canvas[y : y + height, x : x + width] = half
    return _even(y, y + height), _even(x, x + width)


def _even(start: int, stop: int) -> slice:
    return slice(start & ~1, (stop + 1) & ~1)
