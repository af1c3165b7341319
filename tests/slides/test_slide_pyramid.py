from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from make import ArraySource, levels_of, tissue

from napari_virtual_ihc.slides.pyramid import PyramidSource, halve, halved_shapes, with_pyramid
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.slides.survey import overview


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_halving_is_the_mean_rounded_half_up(image) -> None:
    odd = image.shape[0] % 2, image.shape[1] % 2
    whole = np.pad(image, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge").astype(float)
    mean = (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) / 4
    np.testing.assert_array_equal(halve(image), np.floor(mean + 0.5))


def test_shapes_halve_upward_until_they_fit() -> None:
    assert halved_shapes((2967, 2220), 512) == ((1484, 1110), (742, 555), (371, 278))
    assert halved_shapes((100, 80), 512) == ()


def test_flat_slide_gets_the_levels_it_would_have_been_stored_with() -> None:
    image = tissue(1237, 1501)
    source = with_pyramid(ArraySource(image))
    assert source.shapes == ((1237, 1501), (619, 751), (310, 376))
    for level, expected in enumerate(levels_of(image, 3)):
        pixels, valid = source.read(level, 0, 0, *source.shapes[level])
        np.testing.assert_array_equal(pixels, expected)
        assert valid.all()


def test_computed_pixels_are_invalid_where_any_they_are_made_of_is() -> None:
    bad = np.zeros((600, 600), np.bool_)
    bad[301, 44] = True
    source = with_pyramid(ArraySource(tissue(600, 600), bad))
    _, valid = source.read(1, 0, 0, 300, 300)
    assert np.argwhere(~valid).tolist() == [[150, 22]]


def test_stored_pyramids_are_only_extended_to_an_overview() -> None:
    small = ArraySource(tissue(900, 400), levels=2)
    assert with_pyramid(small) is small
    image = np.full((4400, 60, 3), 230, np.uint8)
    assert with_pyramid(ArraySource(image, levels=2)).shapes[2:] == ((1100, 15), (550, 8))


class Wall:
    """A 40 000 px square of which no more than a small window may be asked for."""

    shapes = ((40_000, 40_000),)
    tile_shapes = ((512, 512),)

    def __init__(self) -> None:
        self.largest = 0
        self.pixels = 0

    def read(self, level, y, x, h, w):
        self.largest = max(self.largest, h * w)
        self.pixels += h * w
        return np.full((h, w, 3), 200, np.uint8), np.ones((h, w), np.bool_)


def test_opening_and_first_read_of_a_large_flat_slide_touch_little() -> None:
    wall = Wall()
    slide = Slide("wall", with_pyramid(wall), 0.5)
    slide.region(100, 100, 64, 64, 4.0)
    slide.background  # noqa: B018
    slide.fingerprint  # noqa: B018
    assert wall.pixels < 6_000_000
    assert wall.largest <= 512 * 512


def test_overview_of_a_computed_pyramid_reads_stored_pixels_only() -> None:
    source = PyramidSource(ArraySource(np.full((3000, 3000, 3), 220, np.uint8)), ((1500, 1500),))
    pixels, valid = overview(source)
    assert pixels.shape == (144 * 64, 64, 3)
    assert valid.all()
    assert {read[0] for read in source.base.reads} == {0}


def test_overview_of_a_long_ribbon_is_its_beginning() -> None:
    pixels, valid = overview(ArraySource(np.full((40, 210_000, 3), 220, np.uint8)))
    assert pixels.shape == (40, 2048, 3)
    assert valid.all()
