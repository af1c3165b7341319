"""Tears and folds made by moving the pixels of a slide that was registered perfectly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from comparison_scenes import slide_of
from scipy import ndimage

from napari_virtual_ihc.comparison.comparability import Verdict, comparability
from napari_virtual_ihc.comparison.deformation import DEFORMATION_MAPS
from napari_virtual_ihc.comparison.gate import ComparableTissue, SlidePair, layout_for
from napari_virtual_ihc.comparison.producer import MAP_NAMES, HeatmapProducer
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.imports import given
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.warp import warp
from napari_virtual_ihc.tiles.producer import TileAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    Moved = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

MPP, SIDE, CRACK_UM = 2.0, 800, 800.0
PINK, BLUE = np.array([0.15, 0.45, 0.2]), np.array([0.3, 0.28, 0.14])


def tissue(seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed).standard_normal((2, SIDE, SIDE))
    parts = [
        ndimage.gaussian_filter(one, sigma) * sigma
        for one, sigma in zip(draw, (4, 12), strict=True)
    ]
    return np.clip(0.6 + 0.9 * parts[0] + 1.2 * parts[1], 0.1, 2.0)


def coloured(amount: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return (242 * 10.0 ** -(amount[..., None] * colour)).astype(np.uint8)


def smooth(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return y + 10 * np.sin(x / 250), x + 10 * np.sin(y / 300)


def sheared(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return y, x + np.where(y > CRACK_UM, 40.0, 0.0)


def parted(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gap = (y > CRACK_UM) & (y < CRACK_UM + 50)
    return np.where(gap, -1e4, y - np.where(y >= CRACK_UM + 50, 50.0, 0.0)), x


def closed(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out a strip of 70 µm, as where tissue lies folded under."""
    return y + np.where(y > CRACK_UM, 70.0, 0.0), x


def doubled(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return y - np.where(y > CRACK_UM, 80.0, 0.0), x


def pair_of(moved: Moved, mapping: Mapping | None = None) -> SlidePair:
    """Return the slide, and beside it one that shows at (y, x) µm the tissue of ``moved(y, x)``."""
    amount = tissue(1)
    at = (np.indices((SIDE, SIDE)) + 0.5) * MPP
    seats = np.stack(moved(at[0], at[1])) / MPP - 0.5
    seen = ndimage.map_coordinates(amount, seats, order=1, mode="reflect")
    seen[seats[0] < -100] = 0
    fixed, moving = slide_of(coloured(amount, PINK), MPP), slide_of(coloured(seen, BLUE), MPP)
    laid = warp(given(mapping or Mapping(affine_map.identity()), fixed, moving), moving)
    return SlidePair(fixed, laid, "he", layout_for(fixed, moving))


def broken(pair: SlidePair) -> np.ndarray:
    return comparability(pair.view(2, 2, 46, 46)).verdicts == Verdict.TORN_OR_FOLDED


def away_um() -> np.ndarray:
    """Distance of each row of cells from the crack."""
    return np.abs((np.arange(2, 48) + 0.5) * 16 * MPP - CRACK_UM)


@pytest.mark.parametrize("moved", [sheared, parted, closed, doubled])
def test_what_is_torn_or_folded_is_flagged_there_and_nowhere_else(moved: Moved) -> None:
    flagged = broken(pair_of(moved))
    rows = np.repeat(away_um(), 46).reshape(46, 46)
    assert (rows[flagged] <= 100).mean() > 0.8
    assert (rows[flagged] <= 180).all()
    assert flagged[away_um() <= 100].any(axis=0).mean() > 0.75


@pytest.mark.parametrize("moved", [smooth, lambda y, x: (y + 20, x - 15)])
def test_bent_or_shifted_tissue_is_not_torn(moved: Moved) -> None:
    assert not broken(pair_of(moved)).any()


def test_other_tissue_is_not_torn() -> None:
    pair = pair_of(smooth)
    alien = slide_of(coloured(tissue(2), BLUE), MPP)
    laid = warp(given(Mapping(affine_map.identity()), pair.fixed, alien), alien)
    flagged = broken(SlidePair(pair.fixed, laid, "he", pair.layout))
    assert flagged.mean() < 0.01


def bridging() -> Mapping:
    """Return a smooth map that follows the sheared half as well as a lattice of 100 µm can."""
    field = Field(np.zeros((17, 17, 2)), (0.0, 0.0), (100.0, 100.0))
    field.values[9:, :, 1] = -40.0
    field.values[8, :, 1] = -20.0
    return Mapping(affine_map.identity(), field)


def test_a_map_that_bridges_the_tear_does_not_hide_it() -> None:
    pair = pair_of(sheared, bridging())
    flagged = broken(pair)
    assert flagged[away_um() < 40].mean() > 0.8
    assert not flagged[away_um() > 180].any()
    shown = DEFORMATION_MAPS["displacement"].make(pair.view(40, 4, 4, 4))
    assert shown == pytest.approx(40.0)


def test_a_folding_map_is_flagged_where_it_folds() -> None:
    field = Field(np.zeros((17, 17, 2)), (0.0, 0.0), (100.0, 100.0))
    field.values[:, 6, 1] = 150.0
    pair = pair_of(smooth, Mapping(affine_map.identity(), field))
    area = DEFORMATION_MAPS["jacobian"].make(pair.view(20, 2, 1, 46))[0]
    assert area[(600 + 32) // 32] < 0
    assert area[30:] == pytest.approx(1.0)
    assert broken(pair)[:, 18].all()


def test_maps_of_a_registered_pair_are_tiles_and_parts_of_the_whole() -> None:
    pair = pair_of(sheared, bridging())
    whole = pair.view(0, 0, 50, 50)
    for name, one in DEFORMATION_MAPS.items():
        part = one.make(pair.view(20, 8, 9, 7))
        np.testing.assert_array_equal(part, one.make(whole)[20:29, 8:15])
        made = HeatmapProducer(pair, name)
        tile = made.produce([TileAddress(0, 0, 1)], preview=print, cancelled=lambda: False)
        assert tile[TileAddress(0, 0, 1)].shape == (32, 18, 4)
        assert made.key not in {HeatmapProducer(pair, other).key for other in MAP_NAMES}


def test_the_gate_leaves_the_tear_out() -> None:
    pair = pair_of(sheared)
    judged = ComparableTissue(pair).verdicts(350, 300, 100, 100, MPP)
    assert (judged[40:60] != Verdict.COMPARABLE).all()


def test_slides_that_were_not_registered_have_no_such_maps() -> None:
    pair = pair_of(smooth)
    plain = SlidePair(pair.fixed, pair.fixed, "he", pair.layout)
    assert plain.registration is None
    with pytest.raises(DataError, match="registered"):
        DEFORMATION_MAPS["strain"].make(plain.view(0, 0, 2, 2))
