"""Canvases in rows: how many stand where, and that they stay there in a real window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QPoint, QRect
from test_viewer_window import _spin_until
from viewer_fakes import FakePrepare, painted_slide

from napari_virtual_ihc.widgets.camera import look_at, turn_by, turn_of, view_centre
from napari_virtual_ihc.widgets.overlays import BANNER, MAGNIFICATION
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.views.tiling import rows_of
from napari_virtual_ihc.widgets.virtual import virtual_layers
from napari_virtual_ihc.widgets.window import canvas_of, window_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]

_BORDER = 12


@pytest.mark.parametrize(
    ("count", "grid", "rows"),
    [(1, True, (1,)), (2, True, (2,)), (3, True, (2, 1)), (4, True, (2, 2)), (4, False, (4,))],
)
def test_how_many_stand_in_a_row(count: int, grid: bool, rows: tuple[int, ...]) -> None:
    assert rows_of(count, grid=grid) == rows


def places(session: Session) -> list[QRect]:
    """Return where the canvases of a window are on screen, the window's own first."""
    own = window_of(session.viewer)
    assert own is not None
    canvases = [canvas_of(one) for one in (own, *(pane.window for pane in session.panes.all()))]
    return [QRect(one.mapToGlobal(QPoint(0, 0)), one.size()) for one in canvases]


def test_four_panes_are_a_grid_that_moves_as_one(window: Viewer, page: Page) -> None:
    window.window.resize(900, 700)
    session, _ = page(painted_slide(1024, 1024), FakePrepare())
    look_at(window, 250.0, 250.0, 10)
    session.panes.arrange(4)
    assert wait_until_settled(session, 60)
    one, two, three, four = places(session)
    assert one.top() == two.top() < three.top() == four.top()
    assert one.bottom() < three.top()
    assert abs(one.left() - three.left()) <= 1
    assert abs(two.left() - four.left()) <= _BORDER
    widths = [place.width() for place in (one, two, three, four)]
    heights = [place.height() for place in (one, two, three, four)]
    assert max(widths) - min(widths) <= _BORDER
    assert max(heights) - min(heights) <= _BORDER
    last = session.panes.all()[-1]
    turn_by(window, 90)
    look_at(window, 180.0, 300.0, 20)
    for pane in session.panes.all():
        assert _spin_until(lambda: turn_of(pane.viewer) == 90, 20)  # noqa: B023
        assert view_centre(pane.viewer) == pytest.approx((180, 300))
        assert pane.viewer.scene.camera.zoom == 2.0
    session.panes.show(last, virtual_layers(window)[0])
    assert wait_until_settled(session, 60)
    overlays = last.viewer.canvas.overlays
    assert _spin_until(lambda: overlays[BANNER].visible, 20)
    assert overlays[MAGNIFICATION].text == "20×"
    assert overlays.scale_bar.visible
    assert last.dressing.overview.isVisible()
    session.panes.set_grid(False)
    assert wait_until_settled(session, 60)
    row = places(session)
    assert len({place.top() for place in row}) == 1
    assert [place.left() for place in row] == sorted(place.left() for place in row)
    session.panes.set_grid(True)
    session.panes.all()[0].head.close_requested.emit()
    assert wait_until_settled(session, 60)
    one, two, three = places(session)
    assert one.top() == two.top() < three.top()
    assert three.width() > 1.8 * one.width()
    assert session.panes.all()[-1] is last
    session.panes.arrange(1)
    assert wait_until_settled(session, 60)
    (alone,) = places(session)
    assert alone.width() >= three.width() - _BORDER
    assert alone.height() > 1.8 * one.height()
