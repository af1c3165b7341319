from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from viewer_fakes import FakeModel, FakeProducer, painted_slide

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.service import TileService
from napari_virtual_ihc.widgets.camera import Box
from napari_virtual_ihc.widgets.translate.region_job import RegionJob

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cache() -> Iterator[TileCache]:
    cache = TileCache(None, 64_000_000, 0)
    yield cache
    cache.close()


@pytest.fixture
def service(cache: TileCache) -> Iterator[TileService]:
    service = TileService(cache, "test")
    yield service
    assert service.close(5)


def _finish(job: RegionJob) -> None:
    job.start()
    end = time.monotonic() + 10
    while job.progress()[0] < job.progress()[1]:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_region_has_the_bytes_of_its_tiles(service: TileService, cache: TileCache) -> None:
    slide = painted_slide(1200, 1000)
    producer = FakeProducer(slide, FakeModel())
    job = RegionJob("Region 1", producer, service, cache, Box(50.0, 30.0, 250.0, 180.0))
    _finish(job)
    picture = job.picture()
    rgb = slide.region(50.0, 30.0, 400, 300, 0.5).pixels
    np.testing.assert_array_equal(picture.pixels[..., :3], np.roll(rgb, 1, axis=-1))
    assert (picture.top, picture.left) == (50.0, 30.0)
    assert picture.numbers is not None
    assert picture.numbers.area_mm2 == pytest.approx(0.2 * 0.15)
    assert "DAB OD" in picture.numbers.protocol


def test_a_failed_tile_is_hatched_and_not_measured(service: TileService, cache: TileCache) -> None:
    model = FakeModel(fails=frozenset({(0, 0)}))
    producer = FakeProducer(painted_slide(512, 512), model)
    job = RegionJob("Region 1", producer, service, cache, Box(0.0, 0.0, 256.0, 128.0))
    _finish(job)
    picture = job.picture()
    assert picture.failed == 1
    assert picture.numbers is not None
    assert picture.numbers.area_mm2 == pytest.approx(256 * 256 * 0.25 / 1e6)


def test_an_outline_leaves_the_rest_clear(service: TileService, cache: TileCache) -> None:
    producer = FakeProducer(painted_slide(512, 512), FakeModel())
    triangle = np.array([[0.0, 0.0], [0.0, 100.0], [100.0, 0.0]])
    job = RegionJob("Region 1", producer, service, cache, Box(0, 0, 100, 100), triangle)
    _finish(job)
    picture = job.picture()
    assert picture.pixels[2, 2, 3] == 255
    assert picture.pixels[-2, -2, 3] == 0
    assert picture.numbers is not None
    assert picture.numbers.area_mm2 == pytest.approx(0.005, rel=0.02)


@pytest.mark.parametrize("box", [Box(-50, -50, -10, -10), Box(9e5, 0, 9.1e5, 10)])
def test_off_the_slide_is_refused(service: TileService, cache: TileCache, box: Box) -> None:
    producer = FakeProducer(painted_slide(512, 512), FakeModel())
    with pytest.raises(VirtualIhcError, match="off the slide"):
        RegionJob("Region 1", producer, service, cache, box)


def test_too_large_a_region_is_sent_to_export(service: TileService, cache: TileCache) -> None:
    producer = FakeProducer(painted_slide(20_000, 20_000), FakeModel())
    with pytest.raises(VirtualIhcError, match="use Export"):
        RegionJob("Region 1", producer, service, cache, Box(0, 0, 1e4, 1e4))
