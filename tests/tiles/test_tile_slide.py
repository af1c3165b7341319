from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tile_fakes import wait_until

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.tiles.slide_producer import SlideProducer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import Pixels
    from napari_virtual_ihc.tiles.service import TileService


class Painted:
    """A source of two levels, the second four times coarser, with one unreadable tile."""

    def __init__(self, height: int, width: int) -> None:
        rng = np.random.default_rng(0)
        self.fine = rng.integers(180, 256, (height, width, 3), np.uint8)
        self.coarse = rng.integers(180, 256, (-(-height // 4), -(-width // 4), 3), np.uint8)
        self.bad = np.zeros((height, width), bool)
        self.shapes = (self.fine.shape[:2], self.coarse.shape[:2])
        self.tile_shapes = ((64, 64), (64, 64))

    def read(
        self, level: int, y: int, x: int, h: int, w: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        image = (self.fine, self.coarse)[level][y : y + h, x : x + w].copy()
        bad = self.bad[y : y + h, x : x + w] if level == 0 else np.zeros((h, w), bool)
        return image, ~bad


def slide(source: Painted, mpp: float | None = 0.25) -> Slide:
    return Slide("painted.svs", source, mpp, trusted=True)


def made(producer: SlideProducer, *address: int) -> Pixels:
    where = TileAddress(*address)
    tile = producer.produce([where], preview=lambda *_: None, cancelled=lambda: False)[where]
    assert isinstance(tile, np.ndarray)
    return tile


@pytest.mark.parametrize("mpp", [0.25, 0.4990, None])
def test_native_levels_are_the_slides_own_pixels(mpp: float | None) -> None:
    source = Painted(700, 900)
    producer = SlideProducer(slide(source, mpp), tile=128)
    fine, coarse = made(producer, 0, 2, 3), made(producer, 2, 1, 1)
    np.testing.assert_array_equal(fine[..., :3], source.fine[256:384, 384:512])
    np.testing.assert_array_equal(coarse[..., :3], source.coarse[128:, 128:])
    assert (fine[..., 3] == 255).all()


def test_levels_in_between_are_means_and_edge_tiles_are_cropped() -> None:
    source = Painted(700, 901)
    producer = SlideProducer(slide(source), tile=128)
    half = made(producer, 1, 0, 0)[..., :3].astype(float)
    mean = source.fine[:256, :256].reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - mean)[1:-1, 1:-1].mean() < 10
    assert abs(half.mean() - mean.mean()) < 1
    assert made(producer, 1, 2, 3).shape == (94, 67, 4)
    assert producer.levels == 2
    assert producer.overview().shape == (350, 451, 4)


def test_unreadable_pixels_are_hatched() -> None:
    source = Painted(700, 900)
    source.bad[64:128, 64:128] = True
    tile = made(SlideProducer(slide(source), tile=128), 0, 0, 0)
    np.testing.assert_array_equal(tile[64:, 64:], hatch(64, 64, 64, 64))
    np.testing.assert_array_equal(tile[:64, :, :3], source.fine[:64, :128])


def test_the_key_names_the_content() -> None:
    one, two = Painted(300, 300), Painted(300, 300)
    two.fine[5, 5] ^= 1
    key = SlideProducer(slide(one)).key
    assert SlideProducer(slide(Painted(300, 300), 0.5)).key == key
    assert SlideProducer(slide(one), tile=256).key != key
    assert len(key) == 32


def test_reading_stops_between_tiles() -> None:
    producer = SlideProducer(slide(Painted(700, 900)), tile=128)
    with pytest.raises(Cancelled):
        producer.produce([TileAddress(0, 0, 0)], preview=lambda *_: None, cancelled=lambda: True)


def test_a_slide_in_a_pyramid(cache: TileCache, service: TileService) -> None:
    source = Painted(2500, 3001)
    producer = SlideProducer(slide(source), tile=512)
    pyramid = TilePyramid(producer, service, cache, producer.overview())
    level = pyramid.levels[0]
    before = level[600:1200, 700:1500]
    assert (before[..., 3] == 255).all()
    assert wait_until(lambda: pyramid.progress().done == pyramid.progress().wanted)
    np.testing.assert_array_equal(level[600:1200, 700:1500, :3], source.fine[600:1200, 700:1500])
    assert cache.stats().disk_tiles == 0
    pyramid.close()
