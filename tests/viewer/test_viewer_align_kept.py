"""Pairs that were saved with a registration, and undoing by key, in real windows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from test_viewer_align import docked, warped
from viewer_fakes import painted_slide

from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.align.landmark_model import brought
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.dock import Dock
from napari_virtual_ihc.widgets.layers import slide_layer
from napari_virtual_ihc.widgets.session import session_of
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from qtpy.QtWidgets import QWidget

PLACES = np.array([[100.0, 100], [400, 120], [150, 420], [420, 400], [260, 250]])
BEND = np.array([[62.0, 50], [50, 50], [50, 41], [50, 50], [55, 66]])


def open_two(viewer: Viewer) -> None:
    """Open two painted slides in a viewer."""
    from napari.layers import Image

    session = session_of(viewer)
    assert session is not None
    for side in (1024, 1224):
        data, arguments, _ = slide_layer(painted_slide(side, side))
        viewer.add_layer(Image(data, **arguments))
    assert wait_until_settled(session, 20)


def with_two_slides(viewer: Viewer) -> AlignController:
    """Open two painted slides in a viewer, and the page over them, not registered."""
    open_two(viewer)
    return docked(viewer)


def mark(align: AlignController, count: int) -> None:
    assert align.begin()
    align.landmarks.put(Landmarks(PLACES[:count], PLACES[:count] + BEND[:count]))
    assert wait_until_settled(align.session, 20)


def test_saved_pairs_are_in_force_again_in_a_new_window(
    window: Viewer, make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    first = with_two_slides(window)
    mark(first, 5)
    first.landmarks.set_way("elastic")
    first.hand.shift(12.0, -7.0)
    assert wait_until_settled(first.session, 20)
    first.save(tmp_path)
    other = make_napari_viewer(show=True, strict_qt="raise")
    align = with_two_slides(other)
    mark(align, 2)
    align.load(tmp_path)
    assert wait_until_settled(align.session, 20)
    assert align.view.notice.text() == (
        "Its 5 pairs are in force again. Undo brings back the 2 pairs marked before."
    )
    assert (align.state.marked, align.state.way) == ((5, 5), "elastic")
    assert align.state.pose == first.state.pose
    assert align.state.errors == first.state.errors
    assert align.view.landmarks.table.rowCount() == 5
    assert warped(other)[0].fingerprint == warped(window)[0].fingerprint
    points = [layer for layer in other.layers if "Landmarks" in layer.name]
    assert [len(layer.data) for layer in points] == [5, 5]
    points[0].data = points[0].data + np.array([[0.0, 0], [0, 0], [0, 0], [0, 0], [20, 0]])
    assert wait_until_settled(align.session, 20)
    found = align.session.aligned.registration
    moved = PLACES + np.array([[0, 0]] * 4 + [[20, 0]])
    np.testing.assert_allclose(found.to_moving(moved), PLACES + BEND, atol=0.5)
    align.view.undo.click()
    align.view.undo.click()
    assert wait_until_settled(align.session, 20)
    assert align.state.marked == (2, 2)
    assert brought(found, Landmarks()) == "Its 5 pairs are in force again."


@pytest.mark.slow
def test_pairs_that_only_measure_are_kept_too(window: Viewer, tmp_path: Path) -> None:
    align = with_two_slides(window)
    mark(align, 4)
    align.landmarks.set_way("measure")
    assert wait_until_settled(align.session, 20)
    align.save(tmp_path)
    align.load(tmp_path)
    assert wait_until_settled(align.session, 20)
    assert align.view.notice.text().startswith("Its 4 pairs are in the table again, only to")
    assert "Undo" not in align.view.notice.text()
    assert align.state.way == "measure"
    found = align.session.aligned.registration
    assert found.source == "given"
    align.placing.begin(replace(found, placement=None), *align.placing.pair)
    assert (align.state.marked, align.state.way) == ((4, 4), "measure")
    align.landmarks.set_way("affine")
    align.placing.begin(replace(found, placement=None), *align.placing.pair)
    assert (align.state.marked, align.state.way) == ((4, 4), "correct")


@pytest.fixture
def pages(window: Viewer) -> tuple[AlignController, Dock]:
    open_two(window)
    dock = Dock(window, [AlignController, CompareController])
    window.window.add_dock_widget(dock, name="Both", area="right")
    page = dock.pages[0]
    assert isinstance(page, AlignController)
    mark(page, 3)
    return page, dock


def press(on: QWidget, *, shift: bool = False) -> None:
    keys = Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(on, Qt.Key.Key_Z, keys | Qt.KeyboardModifier.ShiftModifier if shift else keys)


def test_undo_by_key_where_the_page_is_seen_and_nothing_else_has_the_key(
    window: Viewer, pages: tuple[AlignController, Dock]
) -> None:
    align, dock = pages
    canvas = window.window._qt_viewer.canvas.native
    press(canvas)
    assert align.state.marked == (0, 0)
    press(canvas, shift=True)
    assert align.state.marked == (3, 3)
    press(align.view.undo)
    assert align.state.marked == (0, 0)
    press(align.view.undo, shift=True)
    dock.show_page(CompareController.title)
    press(canvas)
    assert align.state.marked == (3, 3)
    dock.show_page(AlignController.title)
    labels = window.add_labels(np.zeros((64, 64), np.uint8))
    labels.fill((3, 3), 1)
    assert labels.data.any()
    press(canvas)
    assert not labels.data.any()
    assert align.state.marked == (3, 3)
    assert wait_until_settled(align.session, 20)
    assert "(Ctrl+Z)" in align.view.undo.toolTip()
