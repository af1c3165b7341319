from __future__ import annotations

import numpy as np
import pytest
from comparison_scenes import Picture, slide_of
from scipy import ndimage

from napari_virtual_ihc.comparison.comparability import coloured, comparability
from napari_virtual_ihc.comparison.gate import ComparableTissue, SlidePair, layout_for
from napari_virtual_ihc.comparison.producer import MAP_NAMES, HeatmapProducer
from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.warp import warp
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.tiles.producer import TileAddress


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(640, 720, 3)), (3, 3, 0))
    return np.clip(160 + 600 * smooth, 20, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pair() -> SlidePair:
    fixed, moving = slide_of(picture(1), 1.0), slide_of(picture(2), 1.0)
    return SlidePair(fixed, moving, "ihc", layout_for(fixed, moving))


def whole_of(producer: HeatmapProducer) -> np.ndarray:
    grid = producer.grid
    whole = np.zeros((grid.height, grid.width, 4), np.uint8)
    for row, col in np.ndindex(grid.rows, grid.cols):
        address = TileAddress(0, row, col)
        made = producer.produce([address], preview=print, cancelled=lambda: False)[address]
        y, x, h, w = grid.box(row, col)
        whole[y : y + h, x : x + w] = made
    return whole


def test_tiles_are_the_map_of_the_whole(pair: SlidePair) -> None:
    made = HeatmapProducer(pair, "comparability")
    assert (made.grid.rows, made.grid.cols) == (2, 2)
    verdicts = comparability(pair.view(0, 0, made.grid.height, made.grid.width)).verdicts
    assert np.array_equal(whole_of(made), coloured(verdicts))


@pytest.mark.parametrize("name", MAP_NAMES)
def test_every_map_makes_tiles_and_its_name_is_in_the_key(pair: SlidePair, name: str) -> None:
    made = HeatmapProducer(pair, name)
    tile = made.produce([TileAddress(0, 0, 0)], preview=print, cancelled=lambda: False)
    assert tile[TileAddress(0, 0, 0)].shape == (32, 32, 4)
    assert made.info.formula in made.info.told(pair.layout)
    assert made.key == HeatmapProducer(pair, name).key
    assert made.key not in {HeatmapProducer(pair, one).key for one in MAP_NAMES if one != name}


def test_a_tile_that_nobody_wants_is_not_made(pair: SlidePair) -> None:
    with pytest.raises(Cancelled):
        HeatmapProducer(pair, "ncc").produce(
            [TileAddress(0, 0, 0)], preview=print, cancelled=lambda: True
        )


def test_the_gate_is_the_map_pixel_by_pixel(pair: SlidePair) -> None:
    gate = ComparableTissue(pair)
    verdicts = comparability(pair.view(0, 0, 40, 45)).verdicts
    judged = gate.verdicts(-3, 50, 300, 200, 0.5)
    rows = np.floor((np.arange(300) - 2.5) * 0.5 / 16).astype(int)
    cols = np.floor((np.arange(200) + 50.5) * 0.5 / 16).astype(int)
    assert np.array_equal(judged[3:], verdicts[np.ix_(rows[3:], cols)])


class Watched(Picture):
    """Remembers how far it was read."""

    def __init__(self, rgb: np.ndarray) -> None:
        super().__init__(rgb)
        self.bottom = 0

    def read(self, level: int, y: int, x: int, h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
        self.bottom = max(self.bottom, y + h)
        return super().read(level, y, x, h, w)


def test_far_virtual_pixels_are_not_read_where_the_he_tells_of_tears() -> None:
    source = Watched(picture(1))
    virtual = Slide("virtual", source, 1.0, trusted=True)
    he, ihc = slide_of(picture(1), 1.0), slide_of(picture(2), 1.0)
    sections = Section.of(he), Section.of(ihc)
    real = warp(Registration(Mapping(np.eye(2, 3)), *sections), ihc)
    virtual.background, virtual.fingerprint  # noqa: B018 read beforehand
    reach = {}
    for judge in (he, None):
        pair = SlidePair(virtual, real, "ihc", layout_for(virtual, real), judge)
        source.bottom = 0
        comparability(pair.view(0, 0, 4, 4))
        reach[judge] = source.bottom
    assert reach[he] < 200 < reach[None]
