"""Errors of landmark pairs as a map of two registered slides."""

from __future__ import annotations

import numpy as np
import pytest
from comparison_scenes import slide_of
from scipy import ndimage

from napari_virtual_ihc.comparison.deformation import landmark_map
from napari_virtual_ihc.comparison.gate import SlidePair, layout_for
from napari_virtual_ihc.comparison.producer import HeatmapProducer
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.imports import given
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.warp import warp
from napari_virtual_ihc.tiles.heat import coloured
from napari_virtual_ihc.tiles.producer import TileAddress

POINTS = np.array([[136.0, 136.0], [136.0, 328.0], [328.0, 136.0]])
ERRORS = np.array([4.0, 40.0, np.nan])


@pytest.fixture(scope="module")
def pair() -> SlidePair:
    noise = np.random.default_rng(1).normal(size=(800, 800, 3))
    rgb = np.clip(150 + 400 * ndimage.gaussian_filter(noise, (3, 3, 0)), 20, 220).astype(np.uint8)
    fixed, moving = slide_of(rgb, 1.0), slide_of(rgb[::-1].copy(), 1.0)
    laid = warp(given(Mapping(affine_map.identity()), fixed, moving), moving)
    return SlidePair(fixed, laid, "he", layout_for(fixed, moving))


def cell(y_um: float, x_um: float) -> tuple[int, int]:
    return int(y_um // 16), int(x_um // 16)


def test_the_map_has_the_errors_where_the_pairs_are(pair: SlidePair) -> None:
    made = landmark_map(POINTS, ERRORS)
    values = made.make(pair.view(0, 0, 50, 50))
    assert values[cell(*POINTS[0])] == pytest.approx(4 + 36 * np.exp(-0.5) / (1 + np.exp(-0.5)))
    assert values[cell(136, 232)] == pytest.approx(22)
    assert values[cell(136, 40)] < values[cell(*POINTS[0])]
    assert np.isnan(values[cell(700, 700)])
    assert "s = 192 µm, n = 2" in made.info.formula
    assert made.info.unit == "µm"


def test_its_tiles_are_parts_of_the_whole_and_named_by_the_pairs(pair: SlidePair) -> None:
    made = HeatmapProducer(pair, landmark_map(POINTS, ERRORS))
    address = TileAddress(0, 0, 1)
    tile = made.produce([address], preview=print, cancelled=lambda: False)[address]
    whole = landmark_map(POINTS, ERRORS).make(pair.view(0, 0, 50, 50))
    assert np.array_equal(tile, coloured(whole, made.info, np.isfinite(whole))[:32, 32:])
    assert tile[..., 3].any()
    other = HeatmapProducer(pair, landmark_map(POINTS, ERRORS + 1))
    assert made.key == HeatmapProducer(pair, landmark_map(POINTS, ERRORS)).key != other.key


def test_without_a_known_error_or_a_registration_there_is_no_map(pair: SlidePair) -> None:
    with pytest.raises(DataError, match="one pair more"):
        landmark_map(POINTS[:2], np.full(2, np.nan))
    alone = landmark_map(POINTS[:1], ERRORS[:1])
    assert "s = 250 µm, n = 1" in alone.info.formula
    plain = SlidePair(pair.fixed, pair.fixed, "he", pair.layout)
    with pytest.raises(DataError, match="registered"):
        alone.make(plain.view(0, 0, 2, 2))
