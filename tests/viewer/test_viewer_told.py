"""What the dock says of images that are no slides, of slides of one name, and of progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from test_viewer_align import docked
from viewer_fakes import FakePrepare, painted_slide

from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.align.model import AlignState
from napari_virtual_ihc.widgets.align.page import AlignPage
from napari_virtual_ihc.widgets.dock import Dock
from napari_virtual_ihc.widgets.header import FOREIGN
from napari_virtual_ihc.widgets.layers import slide_of
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Open = Callable[[Slide], Session]
    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]


def test_an_image_of_another_reader_is_told_while_a_slide_is_lacking(
    window: Viewer, opened: Open
) -> None:
    dock = Dock(window, [AlignController])
    window.window.add_dock_widget(dock, name="Align", area="right")
    image = window.add_image(np.zeros((64, 64, 3), np.uint8), name="section.zarr")
    assert dock.header.elsewhere.text() == FOREIGN.format("section.zarr")
    window.layers.remove(image)
    assert dock.header.elsewhere.text() == ""
    window.layers.append(image)
    opened(painted_slide(600, 600))
    assert dock.header.elsewhere.text() != ""
    opened(painted_slide(700, 700))
    assert dock.header.elsewhere.text() == ""


def test_slides_of_one_name_are_told_apart(window: Viewer, opened: Open) -> None:
    opened(painted_slide(600, 600))
    opened(painted_slide(700, 700))
    align = docked(window)
    assert align.begin()
    assert wait_until_settled(align.session, 20)
    assert "painted.svs [1] is laid centre on centre of painted.svs;" in align.view.caution.text()
    first, second = align.session.originals()
    assert [first.slide.name, second.slide.name] == ["painted.svs", "painted.svs [1]"]
    assert slide_of(second.layer()) is second.slide


def test_the_live_key_moves_no_switch_that_is_greyed(window: Viewer, page: Page) -> None:
    session, translate = page(painted_slide(600, 600, None), FakePrepare())
    canvas = window.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_W)
    assert translate.state.live
    session.set_scale(session.chosen, 0.5)
    QTest.keyClick(canvas, Qt.Key.Key_W)
    assert not translate.state.live
    assert wait_until_settled(session, 20)


def test_progress_does_not_widen_the_page(window: Viewer) -> None:
    state = AlignState(fixed="a", others=("b",), moving=0)
    view = AlignPage(state)
    window.window.add_dock_widget(view, name="Align", area="right")
    before = view.minimumSizeHint().width()
    state.activity, state.done, state.total = "Trying turns and both sides", 72, 96
    assert view.minimumSizeHint().width() == before
    assert view.cancel.text() == "Stop"
    view.forget_state()
