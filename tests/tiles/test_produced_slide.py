from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tile_fakes import FakeProducer, truth

from napari_virtual_ihc.errors import Cancelled, VirtualIhcError
from napari_virtual_ihc.slides.source import GLASS
from napari_virtual_ihc.tiles.awaited import AwaitedTiles
from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.produced_slide import produced_slide
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.tiles.service import TileService

if TYPE_CHECKING:
    from collections.abc import Iterator

GRID = TileGrid(100, 150, 32, 0.5)


@pytest.fixture
def cache() -> Iterator[TileCache]:
    made = TileCache(None, 10_000_000, 0)
    yield made
    made.close()


@pytest.fixture
def service(cache: TileCache) -> Iterator[TileService]:
    made = TileService(cache, "test")
    yield made
    made.close()


def whole() -> np.ndarray:
    """Return the producer's pixels over glass."""
    rgb = np.full((GRID.height, GRID.width, 3), GLASS, np.uint8)
    for row, col in np.ndindex(GRID.rows, GRID.cols):
        y, x, h, w = GRID.box(row, col)
        tile = truth(GRID, TileAddress(0, row, col))
        rgb[y : y + h, x : x + w][tile[..., 3] > 0] = tile[..., :3][tile[..., 3] > 0]
    return rgb


def test_a_region_is_the_tiles_over_glass(service: TileService, cache: TileCache) -> None:
    producer = FakeProducer(GRID)
    slide = produced_slide(AwaitedTiles(producer, service, cache))
    assert (slide.shape, slide.mpp, slide.background) == ((100, 150), 0.5, GLASS)
    for y, x, h, w in ((0, 0, 100, 150), (17, 40, 30, 60), (90, 140, 10, 10)):
        found = slide.region(y * 0.5, x * 0.5, h, w, 0.5)
        np.testing.assert_array_equal(found.pixels, whole()[y : y + h, x : x + w])
        assert found.valid.all()
    assert max(producer.made.values()) == 1
    assert producer.threads.isdisjoint({threading.get_ident()})
    other = produced_slide(AwaitedTiles(FakeProducer(GRID, key="other"), service, cache))
    assert slide.fingerprint != other.fingerprint


def test_a_failed_tile_is_not_valid_and_is_told(service: TileService, cache: TileCache) -> None:
    producer = FakeProducer(GRID)
    producer.bad = {TileAddress(0, 1, 1): "It was told to fail."}
    tiles = AwaitedTiles(producer, service, cache)
    for _ in range(2):
        found = produced_slide(tiles).region(0, 0, 100, 150, 0.5)
        assert not found.valid[32:64, 32:64].any()
        assert found.valid.sum() == 100 * 150 - 32 * 32
    assert list(tiles.failed) == [TileAddress(0, 1, 1)]


def test_waiting_ends_when_nobody_wants_it(service: TileService, cache: TileCache) -> None:
    producer = FakeProducer(GRID, seconds=30.0)
    begun = time.monotonic()
    tiles = AwaitedTiles(producer, service, cache, lambda: time.monotonic() - begun > 0.2)
    with pytest.raises(Cancelled):
        tiles([TileAddress(0, 0, 0)])
    assert time.monotonic() - begun < 5


def test_a_closed_service_is_an_error_and_not_glass(cache: TileCache) -> None:
    service = TileService(cache, "test")
    service.close()
    with pytest.raises(VirtualIhcError, match="no longer made"):
        AwaitedTiles(FakeProducer(GRID), service, cache)([TileAddress(0, 0, 0)])
