"""Marking pairs on the canvas: by turns, in step, live, and undone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from test_viewer_align import docked, warped
from viewer_fakes import painted_slide

from napari_virtual_ihc.registration.landmark_files import write_landmarks
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.widgets.align.history import History
from napari_virtual_ihc.widgets.align.landmark_model import asked, row_words, summary, worst
from napari_virtual_ihc.widgets.align.model import AlignState
from napari_virtual_ihc.widgets.camera import view_centre
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Points

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.align.controller import AlignController
    from napari_virtual_ihc.widgets.session import Session

    Open = Callable[[Slide], Session]

SHIFT = np.array([50.0, 50.0])
"""From the centre of the H&E (512 µm) to that of the IHC (612 µm) where both lie centred."""


@pytest.fixture
def align(window: Viewer, opened: Open) -> AlignController:
    """Return the page over two painted slides, not registered."""
    opened(painted_slide(1024, 1024))
    opened(painted_slide(1224, 1224))
    return docked(window)


def layer_of(window: Viewer, name: str) -> Points:
    return next(
        layer for layer in window.layers if name in layer.name and "Landmarks" in layer.name
    )


def mark(align: AlignController, window: Viewer, seen: tuple[float, float], by: np.ndarray) -> None:
    """Click a place on the H&E, and on the IHC what lies ``by`` beside it with both centred."""
    for side in ("fixed", "moving"):
        assert wait_until_settled(align.session, 20)
        active = window.layers.selection.active
        assert active.mode == "add"
        shown = align.warped.laid.registration
        active.add(seen if side == "fixed" else shown.to_fixed(np.array(seen) + by + SHIFT))


def test_pairs_are_marked_by_turns_and_the_layer_follows(
    window: Viewer, align: AlignController
) -> None:
    align.view.landmarks.mark.click()
    assert wait_until_settled(align.session, 20)
    (before,) = warped(window)
    layer = align.warped.layer()
    assert not layer.visible
    assert align.view.landmarks.asked.text() == "Click pair 1 on the H&E."
    window.layers.selection.active.add((100.0, 100.0))
    assert wait_until_settled(align.session, 20)
    assert align.view.landmarks.asked.text() == "Click pair 1 on the real IHC."
    assert layer.visible
    assert window.layers.selection.active is layer_of(window, "real IHC")
    window.layers.selection.active.add((110.0, 104.0))
    assert align.view.landmarks.asked.text() == "Click pair 2 on the H&E."
    for place in ((400.0, 120.0), (150.0, 420.0)):
        mark(align, window, place, np.array([10.0, 4.0]))
    assert wait_until_settled(align.session, 20)
    found = align.session.aligned.registration
    np.testing.assert_allclose(found.to_moving(np.array([256.0, 256.0])), [316, 310], atol=1e-6)
    assert found.source == "landmarks"
    (after,) = warped(window)
    assert after.fingerprint != before.fingerprint
    assert align.warped.layer() is layer
    on_ihc = layer_of(window, "real IHC")
    np.testing.assert_allclose(on_ihc.data, layer_of(window, "H&E").data, atol=1e-6)
    assert on_ihc.features["pair"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(on_ihc.face_color, layer_of(window, "H&E").border_color)
    assert align.state.errors == pytest.approx((0, 0, 0), abs=1e-6)
    assert align.view.landmarks.table.rowCount() == 3


def test_pairs_are_dragged_deleted_and_brought_back(
    window: Viewer, align: AlignController, tmp_path: Path
) -> None:
    places = np.array([[100.0, 100], [400, 120], [150, 420], [420, 400], [260, 250]])
    write_landmarks(tmp_path / "he.csv", np.vstack([places, [[300.0, 300]]]) / 0.5)
    write_landmarks(tmp_path / "ihc.csv", (places + SHIFT) / 0.5)
    align.landmarks.open(tmp_path / "he.csv", tmp_path / "ihc.csv")
    assert align.state.notice.startswith("5 pairs are used, by their numbers, of 6 points")
    assert wait_until_settled(align.session, 20)
    assert align.view.landmarks.summary.text().startswith("Median error of a pair left out: 0 µm")
    on_ihc = layer_of(window, "real IHC")
    on_ihc.data = on_ihc.data + np.array([[0.0, 0], [0, 0], [0, 0], [0, 0], [40, 0]])
    assert wait_until_settled(align.session, 20)
    assert align.state.errors[4] == pytest.approx(40, abs=1)
    assert "pair 5 fits worst" in align.view.landmarks.summary.text()
    assert align.view.landmarks.table.item(4, 1).text() == "40"
    on_ihc.remove([4])
    assert wait_until_settled(align.session, 20)
    assert len(layer_of(window, "H&E").data) == 4
    align.view.undo.click()
    align.view.undo.click()
    assert wait_until_settled(align.session, 20)
    np.testing.assert_allclose(layer_of(window, "H&E").data, places)
    np.testing.assert_allclose(align.placing.now.marked.moving, places + SHIFT)
    align.save(tmp_path / "fit")
    assert (tmp_path / "fit" / "landmarks_moving.csv").exists()


def test_pairs_that_lie_on_a_line_are_told_and_the_layer_stays(
    window: Viewer, align: AlignController
) -> None:
    align.begin()
    line = np.array([[100.0, 100.0], [200.0, 200.0], [300.0, 300.0]])
    align.landmarks.put(Landmarks(line, line + SHIFT))
    assert wait_until_settled(align.session, 20)
    assert "one line" in align.view.error.text()
    window.layers.remove(layer_of(window, "H&E"))
    assert wait_until_settled(align.session, 20)
    assert not [layer for layer in window.layers if "Landmarks" in layer.name and len(layer.data)]
    assert align.placing.now.marked.count == 0
    assert align.state.error == ""


@pytest.mark.slow
def test_a_point_is_picked_where_it_is_seen(window: Viewer, align: AlignController) -> None:
    places = np.array([[100.0, 100], [400, 120]])
    align.begin()
    align.landmarks.put(Landmarks(places, places + SHIFT))
    for zoom in (1.0, 8.0):
        window.scene.camera.zoom = zoom
        assert wait_until_settled(align.session, 20)
        layer = layer_of(window, "H&E")
        for away_px, found in ((8, 1), (12, None)):
            assert layer.get_value((400.0, 120 + away_px / zoom), world=True) == found


def test_the_page_asks_and_sums_up_in_words() -> None:
    state = AlignState(marking=True, marked=(1, 0), way="affine")
    assert asked(state) == "Click pair 1 on the real IHC."
    assert row_words(state, 0) == ("1", "begun")
    state = AlignState(
        marked=(4, 4), errors=(3.0, 41.2, math.nan, 7.0), medians=(("correct", 7.0),)
    )
    assert row_words(state, 2) == ("3", "–")
    assert worst(state.errors) is None
    assert worst((3.0, 41.2, 5.0, 7.0)) == 1
    assert summary(state) == "Median error of a pair left out: 7 µm (4 pairs)."
    state.medians = (("correct", 39.0), ("measure", 27.0))
    assert summary(state).endswith(
        "The map before them misses them by 27 µm only; they may be less exact than it."
    )
    state.medians = (("correct", 17.5), ("measure", 15.5))
    assert "only" not in summary(state)


def test_what_was_undone_is_dropped_by_something_new() -> None:
    history = History(0)
    history.do(1)
    history.do(2, joins=True)
    history.do(3)
    history.undo()
    assert (history.now, history.can_undo, history.can_redo) == (2, True, True)
    history.do(4)
    history.redo()
    history.undo()
    history.undo()
    history.undo()
    assert (history.now, history.can_undo) == (0, False)


@pytest.mark.slow
def test_side_by_side_each_slide_is_marked_where_it_is_seen(
    window: Viewer, align: AlignController
) -> None:
    window.window.resize(1500, 700)
    align.begin()
    assert wait_until_settled(align.session, 20)
    align.session.panes.arrange(2)
    (pane,) = align.session.panes.all()
    align.session.panes.show(pane, align.warped.layer())
    align.landmarks.set_marking(True)
    assert wait_until_settled(align.session, 20)
    active = window.layers.selection.active
    assert active is layer_of(window, "H&E")
    active.add((200.0, 220.0))
    assert wait_until_settled(align.session, 20)
    assert align.view.landmarks.asked.text() == "Click pair 1 on the real IHC."
    assert window.layers.selection.active is layer_of(window, "H&E")
    canvas = pane.window.canvas.native
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=middle)
    assert wait_until_settled(align.session, 20)
    clicked = np.array(view_centre(pane.viewer)) + SHIFT
    np.testing.assert_allclose(align.placing.now.marked.moving, [clicked], atol=2)
    assert align.view.landmarks.asked.text() == "Click pair 2 on the H&E."
    (shown,) = [layer for layer in pane.viewer.layers if "Landmarks" in layer.name]
    np.testing.assert_allclose(shown.data, layer_of(window, "real IHC").data)
    window.scene.camera.angles = (0, 0, 30)
    assert wait_until_settled(align.session, 20)
    (shown,) = [layer for layer in pane.viewer.layers if "Landmarks" in layer.name]
    np.testing.assert_allclose(shown.affine, layer_of(window, "real IHC").affine)
    align.session.panes.arrange(1)
    assert wait_until_settled(align.session, 20)
    assert not align.warped.layer().visible
    align.landmarks.set_marking(False)
    assert align.warped.layer().visible
