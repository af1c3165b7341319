from __future__ import annotations

import numpy as np
import pytest
from scenes import BLUE, EOSIN, MPP, SIDE, section, slide_of

from napari_virtual_ihc.errors import MissingScaleError, RegistrationError
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.judge import Judge
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.register import register

MIDDLE = np.full(2, SIDE * MPP / 2)


def wavy(points):
    return points + 40 * np.sin(points[..., ::-1] / 500)


@pytest.fixture(scope="module")
def fixed():
    return slide_of(section(1, EOSIN), "he.png")


@pytest.mark.parametrize(
    ("angle", "mirrored"),
    [pytest.param(37.0, False, marks=pytest.mark.slow), (180.0, True)],
)
def test_a_turned_and_bent_section_is_found(fixed, angle, mirrored):
    back = affine_map.similarity(angle, mirrored, 1.0, MIDDLE, MIDDLE)
    moving = slide_of(section(1, BLUE, lambda p: wavy(affine_map.apply(back, p))), "ihc.png")
    found = register(fixed, moving)
    on_moving = MIDDLE + np.random.default_rng(0).uniform(-600, 600, (200, 2))
    away = np.linalg.norm(
        found.to_fixed(on_moving) - wavy(affine_map.apply(back, on_moving)), axis=1
    )
    assert found.stage == "elastic"
    assert found.mirrored == mirrored
    assert found.stages[0].before == Judge(fixed, moving).likeness(Mapping(affine_map.identity()))
    assert found.stages[0].before < 0.3 < found.stages[0].after
    assert any("mirrored" in note for note in found.notes) == mirrored
    assert np.median(away) < 6.0


@pytest.mark.slow
def test_the_same_slides_give_the_same_map(fixed):
    moving = slide_of(section(1, BLUE, wavy), "ihc.png")
    first, second = register(fixed, moving), register(fixed, moving)
    assert first.mapping.affine.tobytes() == second.mapping.affine.tobytes()
    assert first.mapping.field.values.tobytes() == second.mapping.field.values.tobytes()


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (np.full((SIDE, SIDE, 3), 242, np.uint8), "shows no tissue"),
        (section(2, BLUE), "does not fit"),
    ],
)
def test_what_cannot_fit_is_refused(fixed, pixels, why):
    with pytest.raises(RegistrationError, match=why):
        register(fixed, slide_of(pixels, "other.png"))


def test_swapped_order_is_refused(fixed):
    with pytest.raises(RegistrationError, match="other order"):
        register(slide_of(section(1, BLUE), "ihc.png"), fixed)


def test_a_missing_scale_is_asked_for(fixed):
    with pytest.raises(MissingScaleError, match=r"ihc\.png"):
        register(fixed, slide_of(section(1, BLUE), "ihc.png", None))


@pytest.mark.slow
def test_a_section_of_another_scale_is_found_and_said(fixed):
    moving = slide_of(section(1, BLUE, lambda p: p / 0.5, SIDE // 2), "ihc.png")
    found = register(fixed, moving)
    point = np.array([[1200.0, 1300.0]])
    np.testing.assert_allclose(found.to_moving(point), point / 2, atol=10)
    assert any("0.50 times" in note for note in found.notes)
