"""What a producer made, through the cache: tiles on screen are not made again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.slides.resample import resample
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.producer import TileAddress, TileByTile, TileFailure, unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels, TileProducer

    Made = dict[TileAddress, Pixels | TileFailure]
    Never = Callable[[], bool]

_ALGORITHM = "regridded/1"


class Answers:
    """The tiles of a producer, made where the cache has none, and kept under its own key.

    Parameters
    ----------
    producer
        Makes them.
    cache
        Where they are kept.
    """

    def __init__(self, producer: TileProducer, cache: TileCache) -> None:
        self.producer = producer
        self._cache = cache

    def tiles(self, addresses: Iterable[TileAddress], cancelled: Never) -> Made:
        """Return these tiles, and others of their groups."""
        producer = self.producer
        wanted = dict.fromkeys(one for address in addresses for one in producer.group(address))
        keys = {address: tile_key(producer.key, address) for address in wanted}
        found = {address: self._cache.get(key) for address, key in keys.items()}
        made: Made = {address: tile for address, tile in found.items() if tile is not None}
        missing = [address for address in wanted if address not in made]
        if missing:
            fresh = producer.produce(missing, preview=unseen, cancelled=cancelled)
            made |= {address: tile for address, tile in fresh.items() if address in keys}
            self._keep({address: made[address] for address in missing})
        return made

    def region(self, y: int, x: int, h: int, w: int, cancelled: Never) -> Pixels | TileFailure:
        """Return a window of the producer's level 0, (h, w, 4), or the first failure in it."""
        grid = self.producer.grid
        places = [TileAddress(0, *at) for at in grid.covering(y, y + h, x, x + w)]
        made = self.tiles(places, cancelled)
        pixels = np.zeros((h, w, 4), np.uint8)
        for address in places:
            tile = made[address]
            if isinstance(tile, TileFailure):
                return tile
            top, left, height, width = grid.box(address.row, address.col)
            y0, y1 = max(top, y), min(top + height, y + h)
            x0, x1 = max(left, x), min(left + width, x + w)
            part = tile[y0 - top : y1 - top, x0 - left : x1 - left]
            pixels[y0 - y : y1 - y, x0 - x : x1 - x] = part
        return pixels

    def _keep(self, made: Made) -> None:
        put = partial(self._cache.put, disk=self.producer.persist)
        for address, tile in made.items():
            if not isinstance(tile, TileFailure):
                put(tile_key(self.producer.key, address), tile)


class Regridded(TileByTile):
    """A producer's pixels on the grid of another scale; a `TileProducer`.

    They are resampled as slides are. A pixel that needs a clear one is clear.

    Parameters
    ----------
    producer
        What to show.
    grid
        Where to show it; of the same slide.
    cache
        Of the producer's tiles.
    """

    persist = False

    def __init__(self, producer: TileProducer, grid: TileGrid, cache: TileCache) -> None:
        self._answers = Answers(producer, cache)
        self.grid = grid
        self.label = producer.label

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on."""
        grid = self.grid
        place = [grid.height, grid.width, grid.tile, grid.mpp]
        return hash_of(_ALGORITHM, self._answers.producer.key, place)

    def tile(self, address: TileAddress, cancelled: Never) -> Pixels | TileFailure:
        """Return a tile, or the first failure behind it."""
        own = self._answers.producer.grid
        y, x, h, w = self.grid.box(address.row, address.col)
        failures: list[TileFailure] = []

        def read(y: int, x: int, h: int, w: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
            pixels = self._answers.region(y, x, h, w, cancelled)
            if isinstance(pixels, TileFailure):
                failures.append(pixels)
                return np.zeros((h, w, 3), np.uint8), np.zeros((h, w), np.bool_)
            return pixels[..., :3], pixels[..., 3] > 0

        scale = self.grid.mpp / own.mpp
        rgb, known = resample(read, (own.height, own.width), (y, x), (h, w), scale)
        if failures:
            return failures[0]
        return np.dstack([rgb, np.where(known, 255, 0).astype(np.uint8)])


def on_one_grid(producers: Sequence[TileProducer], cache: TileCache) -> list[TileProducer]:
    """Return producers of one slide on the coarsest grid among them."""
    coarsest = max((one.grid for one in producers), key=lambda grid: grid.mpp)
    return [one if one.grid == coarsest else Regridded(one, coarsest, cache) for one in producers]
