from __future__ import annotations

import pytest

from napari_virtual_ihc.widgets.camera import (
    PRESETS,
    Box,
    magnification_of,
    next_preset,
    zoom_for,
)


def test_twenty_times_is_half_a_micrometre_per_screen_pixel() -> None:
    assert 1 / zoom_for(20) == pytest.approx(0.5)
    assert 1 / zoom_for(40) == pytest.approx(0.25)


@pytest.mark.parametrize("preset", PRESETS)
def test_zoom_and_magnification_are_inverse(preset: int) -> None:
    assert magnification_of(zoom_for(preset)) == pytest.approx(preset)


@pytest.mark.parametrize(
    ("now", "step", "next_one"), [(7.3, 1, 10), (7.3, -1, 5), (20, 1, 40), (40, 1, 40), (1, -1, 1)]
)
def test_stepping_goes_to_the_neighbouring_preset(now: float, step: int, next_one: int) -> None:
    assert next_preset(now, step) == next_one


def test_boxes_that_only_touch_do_not_intersect() -> None:
    box = Box(0, 0, 10, 10)
    assert not box.intersects(Box(0, 10, 10, 20))
    assert box.intersects(Box(9, 9, 30, 30))
