"""The turned view: places stay µm of the slide, and layers turn about the middle of the view."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_virtual_ihc.widgets.camera import (
    look_at,
    rotation,
    set_turn,
    to_slide,
    to_world,
    turn_by,
    turn_of,
    view_centre,
    visible_box,
)
from napari_virtual_ihc.widgets.views.turning import Turning, turned
from napari_virtual_ihc.widgets.virtual import reaches


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.canvas.size = (400, 600)
    viewer.add_image(np.zeros((100, 200)), scale=(2, 2), translate=(1, 1))
    look_at(viewer, 80.0, 150.0, 20)
    return viewer


@pytest.mark.parametrize("degrees", [0, 37, 90, 180, 270])
def test_places_stay_micrometres(viewer: ViewerModel, degrees: float) -> None:
    turning = Turning(viewer)
    set_turn(viewer, degrees)
    layer = viewer.layers[0]
    late = viewer.add_points(np.array([[30.0, 70.0]]), ndim=2)
    assert turn_of(viewer) == degrees
    assert view_centre(viewer) == pytest.approx((80.0, 150.0))
    assert to_slide(viewer, *to_world(viewer, 12.0, 34.0)) == pytest.approx((12.0, 34.0))
    place = to_world(viewer, 30.0, 70.0)
    assert layer.world_to_data(place) == pytest.approx((14.5, 34.5))
    assert late.world_to_data(place) == pytest.approx((30.0, 70.0))
    shift = np.array([[1, 0, 5], [0, 1, 0], [0, 0, 1.0]])
    layer.affine = turned(viewer, shift)
    assert layer.world_to_data(place) == pytest.approx((12.0, 34.5))
    set_turn(viewer, 0)
    np.testing.assert_allclose(layer.affine, shift, atol=1e-9)
    assert turning is not None


def test_the_visible_box_holds_the_turned_view(viewer: ViewerModel) -> None:
    assert visible_box(viewer) == pytest.approx((-20, 0, 180, 300))
    turn_by(viewer, 90)
    assert visible_box(viewer) == pytest.approx((-70, 50, 230, 250))
    turn_by(viewer, -45)
    half = (100 + 150) / np.sqrt(2)
    assert visible_box(viewer) == pytest.approx((80 - half, 150 - half, 80 + half, 150 + half))


def test_a_layer_is_found_where_it_lies_in_a_turned_view(viewer: ViewerModel) -> None:
    turning = Turning(viewer)
    set_turn(viewer, 30)
    assert reaches(viewer, viewer.layers[0], visible_box(viewer))
    look_at(viewer, 80.0, 900.0)
    assert not reaches(viewer, viewer.layers[0], visible_box(viewer))
    assert turning is not None


def test_clockwise_is_clockwise_on_screen() -> None:
    up = rotation(90)[:2, :2] @ (-1.0, 0.0)
    np.testing.assert_allclose(up, (0.0, 1.0))
