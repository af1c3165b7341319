from __future__ import annotations

import numpy as np
import pytest
from scenes import BLUE, EOSIN, MPP, section, slide_of

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.refine import Level, refine_affine
from napari_virtual_ihc.registration.similarity import likeness, squares_of
from napari_virtual_ihc.registration.view import view_of
from napari_virtual_ihc.registration.withheld import withheld_likeness, without


def wavy(points):
    return points + 40 * np.sin(points[..., ::-1] / 300)


@pytest.fixture(scope="module")
def fixed():
    return view_of(slide_of(section(1, EOSIN), "he.png"), MPP)


def test_every_square_is_withheld_once(fixed):
    rows, cols, _ = squares_of(fixed)
    parts = [without(fixed, 2, (i, j)) for i in (0, 1) for j in (0, 1)]
    assert (sum(seats.astype(int) for seats, _ in parts) == np.ones((rows, cols))).all()
    hidden = sum((fixed.known & ~part.known).astype(int) for _, part in parts)
    assert (hidden == 1).all()


def test_a_field_helps_withheld_squares_of_a_bent_section_and_not_of_another(fixed):
    bent = view_of(slide_of(section(1, BLUE, wavy), "ihc.png"), MPP)
    straight, field, rigid = withheld_likeness(fixed, bent, affine_map.identity(), (1.0, 1e6))
    assert field > straight + 0.02
    assert rigid == pytest.approx(straight, abs=0.01)
    shifted = view_of(slide_of(section(1, BLUE, lambda p: p + 16), "ihc.png"), MPP)
    straight, field = withheld_likeness(fixed, shifted, affine_map.identity(), (1.0,))
    assert field == pytest.approx(straight, abs=0.005)


def test_blocks_are_matched_both_ways(fixed):
    moving = view_of(slide_of(section(1, BLUE, lambda p: p * 1.02 - 30), "ihc.png"), MPP)
    levels = (Level(160, 48, 8, 12, 2),)
    forth = refine_affine(fixed, moving, affine_map.identity(), levels)
    back = refine_affine(moving, fixed, affine_map.identity(), levels)
    corners = np.array([[500.0, 500], [500, 2000], [2000, 500], [2000, 2000]])
    there = affine_map.apply(forth, corners)
    np.testing.assert_allclose(affine_map.apply(back, there), corners, atol=1.0)
    assert likeness(fixed, moving, Mapping(forth)).mean > 0.9
