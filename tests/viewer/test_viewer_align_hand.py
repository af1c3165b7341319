"""Moving the real IHC by hand: at once on the canvas, then as a registration, and undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from test_viewer_align import docked, warped
from viewer_fakes import painted_slide

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.widgets.align.hand_model import PAIRS_DECIDE, dragged, nice_step
from napari_virtual_ihc.widgets.camera import look_at, visible_box
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.align.controller import AlignController
    from napari_virtual_ihc.widgets.session import Session

    Open = Callable[[Slide], Session]


@pytest.fixture
def align(window: Viewer, opened: Open) -> AlignController:
    """Return the page over two painted slides, the one laid centred on the other."""
    window.window.resize(1300, 700)
    opened(painted_slide(1024, 1024))
    opened(painted_slide(1224, 1224))
    page = docked(window)
    assert page.begin()
    assert wait_until_settled(page.session, 20)
    return page


def seen_at(align: AlignController, moving: tuple[float, float]) -> np.ndarray:
    """Return where on the canvas a place of the IHC is seen (µm)."""
    layer, laid = align.warped.layer(), align.warped.laid
    return (
        layer.affine.affine_matrix[-3:-1, -3:-1] @ laid.registration.to_fixed(np.array(moving))
        + layer.affine.affine_matrix[-3:-1, -1]
    )


def test_boxes_move_the_layer_at_once_and_then_the_map_unless_pairs_decide(
    window: Viewer, align: AlignController
) -> None:
    view, place = align.view.hand, (300.0, 300.0)
    look_at(window, 250.0, 250.0)
    before, (slide,) = seen_at(align, place), warped(window)
    view.down.setValue(30.0)
    np.testing.assert_allclose(seen_at(align, place), before + np.array([30, 0]))
    view.turn.setValue(90.0)
    expected = np.array([500 - before[1], before[0] + 30])
    np.testing.assert_allclose(seen_at(align, place), expected, atol=1e-6)
    assert warped(window) == [slide]
    assert wait_until_settled(align.session, 20)
    np.testing.assert_allclose(seen_at(align, place), expected, atol=1e-6)
    np.testing.assert_allclose(align.warped.layer().affine.affine_matrix, np.eye(3), atol=1e-9)
    assert align.session.aligned.registration.source == "hand"
    assert warped(window) != [slide]
    assert "turned 90.0°" in align.view.stages.why.text()
    align.view.undo.click()
    assert view.turn.value() == 0
    view.flip.click()
    assert wait_until_settled(align.session, 20)
    assert align.session.aligned.registration.mirrored
    view.reset.click()
    np.testing.assert_allclose(seen_at(align, place), before, atol=1e-6)
    places = np.array([[100.0, 100], [400, 120], [150, 420]])
    align.landmarks.put(Landmarks(places, places + 40))
    assert view.idle.text() == PAIRS_DECIDE
    assert not view.down.isEnabled()
    align.landmarks.set_way("correct")
    assert view.down.isEnabled()
    assert wait_until_settled(align.session, 20)


def test_a_slide_laid_again_is_seen_sharply(window: Viewer, align: AlignController) -> None:
    look_at(window, 250.0, 250.0, 20)
    for down in (30.0, 60.0):
        align.view.hand.down.setValue(down)
        assert wait_until_settled(align.session, 20)
        (slide,), layer = warped(window), align.warped.layer()
        assert layer.data_level == 0
        shown = np.asarray(layer.data[0][450:550, 450:550])
        np.testing.assert_array_equal(shown[..., :3], slide.read(0, 450, 450, 100, 100)[0])


def test_a_drag_moves_the_slide_and_not_the_camera(window: Viewer, align: AlignController) -> None:
    align.view.hand.drag.click()
    before, view = seen_at(align, (300.0, 300.0)), visible_box(window)
    canvas = window.window._qt_viewer.canvas.native
    start = QPoint(canvas.width() // 2 + 60, canvas.height() // 2)
    drag(canvas, start, start + QPoint(40, 20))
    assert visible_box(window) == pytest.approx(view)
    by = np.array([20.0, 40.0]) / window.scene.camera.zoom
    np.testing.assert_allclose(seen_at(align, (300.0, 300.0)), before + by, atol=0.1)
    drag(canvas, start, start + QPoint(-60, -60), Qt.KeyboardModifier.ControlModifier)
    assert align.state.pose.turn_deg == pytest.approx(90, abs=1)
    align.view.undo.click()
    assert align.state.pose.turn_deg == 0
    align.view.undo.click()
    assert not align.placing.can_undo
    align.view.hand.drag.click()
    drag(canvas, start, start + QPoint(40, 20))
    assert not align.placing.can_undo
    assert visible_box(window) != pytest.approx(view)


def drag(canvas, start: QPoint, end: QPoint, keys=Qt.KeyboardModifier.NoModifier) -> None:
    """Press, move in steps, let go."""
    from qtpy.QtCore import QEvent, QPointF
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    left = Qt.MouseButton.LeftButton
    QTest.mousePress(canvas, left, keys, start)
    for part in (0.25, 0.5, 1.0):
        place = QPointF(start) + QPointF(end - start) * part
        at = QMouseEvent(
            QEvent.Type.MouseMove, place, canvas.mapToGlobal(place), Qt.MouseButton.NoButton,
            left, keys,
        )  # fmt: skip
        QApplication.sendEvent(canvas, at)
        QTest.qWait(20)
    QTest.mouseRelease(canvas, left, keys, end)


def test_drags_turn_and_scale_about_a_place() -> None:
    about, start = (100.0, 100.0), (100.0, 150.0)
    turn = dragged("turn", start, (50.0, 100.0), about)
    np.testing.assert_allclose(affine_map.apply(turn, np.array(start)), (50, 100), atol=1e-9)
    scale = dragged("scale", start, (100.0, 200.0), about)
    np.testing.assert_allclose(affine_map.apply(scale, np.array([90.0, 110])), (80, 120))
    shift = dragged("shift", start, (103.0, 140.0), about)
    np.testing.assert_allclose(affine_map.apply(shift, np.zeros(2)), (3, -10))


@pytest.mark.parametrize(("view", "step"), [(3000.0, 50.0), (90.0, 1.0), (10.0, 0.5), (150, 2)])
def test_a_step_is_round_and_fits_the_view(view, step) -> None:
    assert nice_step(view) == step


@pytest.mark.slow
def test_each_pair_of_slides_keeps_its_own_placement(align: AlignController, opened: Open) -> None:
    align.view.hand.down.setValue(30.0)
    opened(painted_slide(1100, 1100))
    assert align.state.pose.down_um == 30
    align.choice.choose(1)
    assert align.state.pose.down_um == 0
    assert not align.state.stages
    assert not align.view.save.isEnabled()
    align.choice.choose(0)
    assert wait_until_settled(align.session, 20)
    assert align.state.pose.down_um == 30
    assert align.placing.can_undo
    assert align.session.aligned.moving is align.session.slides()[1]
    align.session.viewer.layers.remove(align.session.aligned.moving.layer())
    assert wait_until_settled(align.session, 20)
    assert align.session.aligned is None
    assert align.placing.now is None
    assert not align.view.save.isEnabled()
