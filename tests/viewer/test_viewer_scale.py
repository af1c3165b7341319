"""A scale that no file states: asked for, refused in words, given to either slide, and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from test_viewer_align import docked
from viewer_fakes import painted_slide

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.camera import look_at, view_centre
from napari_virtual_ihc.widgets.dock import Dock
from napari_virtual_ihc.widgets.scale_model import KnownScale, typed_scale
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.scale_box import ScaleBox
    from napari_virtual_ihc.widgets.session import Session

    Open = Callable[[Slide], Session]


def enter(box: ScaleBox, text: str) -> None:
    """Type into the field as it is, then Enter."""
    QTest.keyClicks(box.field, text)
    QTest.keyClick(box.field, Qt.Key.Key_Return)


@pytest.mark.parametrize(("text", "mpp"), [("0.25", 0.25), (" 3,48 ", 3.48), ("100", 100.0)])
def test_a_scale_is_typed_with_point_or_comma(text: str, mpp: float) -> None:
    assert typed_scale(text) == mpp


@pytest.mark.parametrize("text", ["-1", "0", "nan", "1000", "inf"])
def test_what_is_no_scale_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="µm/px is no scale; type a number"):
        typed_scale(text)


def test_what_is_no_number_is_told() -> None:
    with pytest.raises(UsageError, match="“zero” is no number"):
        typed_scale("zero")
    assert KnownScale("a.tif").missing() == "a.tif states no µm/px: type it here."
    assert KnownScale("a.tif", 0.5, typed=True).open
    assert not KnownScale("a.tif", 0.5).open


def test_a_scale_is_asked_for_refused_given_and_changed_again(window: Viewer, opened: Open) -> None:
    session = opened(painted_slide(1024, 1024, None))
    opened(painted_slide(1100, 1100, None))
    dock = Dock(window, [AlignController])
    window.window.add_dock_widget(dock, name="Align", area="right")
    box, (first, second) = dock.header.scale, session.slides()
    assert box.missing.text() == f"{first.name} states no µm/px: type it here."
    enter(box, "-1")
    assert first.slide.mpp is None
    assert box.wrong.text().startswith("-1 µm/px is no scale")
    session.choose(second)
    assert (box.field.text(), box.wrong.text()) == ("", "")
    assert second.name in box.missing.text()
    session.choose(first)
    enter(box, "3,48")
    assert first.slide.mpp == 3.48
    assert box.field.isHidden()
    look_at(window, 500.0, 600.0)
    box.change.click()
    enter(box, "0.87")
    assert first.slide.mpp == 0.87
    assert view_centre(window) == pytest.approx((125.0, 150.0))
    assert not first.slide.notes
    assert wait_until_settled(session, 20)


def test_the_slide_to_be_laid_is_asked_for_its_scale_where_it_is_chosen(
    window: Viewer, opened: Open
) -> None:
    session = opened(painted_slide(1024, 1024))
    opened(painted_slide(1100, 1100, None))
    align = docked(window)
    he, ihc = session.slides()
    box = align.view.scale
    assert box.isVisibleTo(align.view)
    assert box.missing.text() == f"{ihc.name} states no µm/px: type it here."
    align.register()
    assert ihc.name in align.view.error.text()
    look_at(window, 250.0, 250.0)
    enter(box, "0.5")
    assert ihc.slide.mpp == 0.5
    assert session.chosen is he
    assert view_centre(window) == pytest.approx((250.0, 250.0))
    assert align.view.error.text() == ""
    assert box.change.isVisibleTo(align.view)
    assert align.begin()
    assert wait_until_settled(session, 20)
    names = [dock.itemText(n) for dock in [align.view.moving] for n in range(dock.count())]
    assert names == [ihc.name]
