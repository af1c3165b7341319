"""The Review page in a real window: regions, a blind read without a peek, saved and opened."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.components import ViewerModel
from test_viewer_window import _spin_until
from viewer_fakes import FakeLibrary, FakePrepare, painted_slide

from napari_virtual_ihc.comparison.geojson import Polygon, ReviewRegion
from napari_virtual_ihc.widgets.camera import look_at, set_turn, turn_of, view_centre
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.dock import Dock
from napari_virtual_ihc.widgets.layers import virtual_of
from napari_virtual_ihc.widgets.overlays import BANNER
from napari_virtual_ihc.widgets.review.bookmarks import go_to, present_view, step, title
from napari_virtual_ihc.widgets.review.controller import ReviewController
from napari_virtual_ihc.widgets.review.kept_views import KeptViews
from napari_virtual_ihc.widgets.review.model import OTHER_SLIDE, ReviewState
from napari_virtual_ihc.widgets.review.read_box import ReadBox
from napari_virtual_ihc.widgets.review.regions import NAME, regions_in, show_regions
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.translate.controller import TranslateController
from napari_virtual_ihc.widgets.views.turning import Turning
from napari_virtual_ihc.widgets.virtual import toggle_virtual, virtual_layers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session

    Open = Callable[[Slide], Session]

SQUARE = np.array([[100, 100], [100, 300], [250, 300], [250, 100.0]])
HOLE = np.array([[150, 150], [150, 200], [200, 200.0]])


def docked(window: Viewer) -> tuple[TranslateController, ReviewController, Dock]:
    make = lambda session: TranslateController(session, FakeLibrary(), FakePrepare())  # noqa: E731
    dock = Dock(window, [make, ReviewController])
    window.window.add_dock_widget(dock, name="Virtual IHC", area="right")
    translate, review = dock.pages
    return translate, review, dock


def seen_virtual(session: Session) -> list[str]:
    viewers = (session.viewer, *(pane.viewer for pane in session.panes.all()))
    layers = (layer for viewer in viewers for layer in viewer.layers)
    return [layer.name for layer in layers if virtual_of(layer) is not None and layer.visible]


def banner(viewer: ViewerModel) -> bool:
    return bool(viewer.canvas.overlays[BANNER].visible)


def outlined(viewer: ViewerModel) -> bool:
    return any(layer.name == NAME for layer in viewer.layers)


def test_a_blind_read_cannot_peek_and_is_saved(
    window: Viewer, opened: Open, tmp_path: Path
) -> None:
    session = opened(painted_slide(1024, 1024))
    translate, review, dock = docked(window)
    assert wait_until_settled(session, 60)
    look_at(window, 200.0, 260.0, 20)
    set_turn(window, 30)
    show_regions(window, [ReviewRegion((Polygon(SQUARE, (HOLE,)),), "hot spot", "Tumor")])
    session.panes.arrange(2)
    assert _spin_until(lambda: bool(seen_virtual(session)), 30)
    (pane,) = session.panes.all()
    assert _spin_until(lambda: banner(pane.viewer) and outlined(pane.viewer))
    review.view.reading.begin.click()
    assert review.state.blind
    assert not seen_virtual(session)
    assert _spin_until(lambda: not banner(pane.viewer))
    assert "hidden" in pane.head.choice.currentText()
    toggle_virtual(window)
    virtual_layers(window)[0].visible = True
    session.panes.arrange(3)
    session.panes.show(session.panes.all()[1], virtual_layers(window)[0])
    translate.translation.set_model("other")
    assert wait_until_settled(session, 60)
    assert not seen_virtual(session)
    assert not translate.view.isVisible()
    late = Dock(window, [CompareController])
    window.window.add_dock_widget(late, name="Compare", area="right")
    assert late.pages[0].view.isHidden()
    assert review.state.regions == ("what is in view", "hot spot")
    box = review.view.reading
    box.region.setCurrentIndex(1)
    box.region.activated.emit(1)
    box.score.setText(" 2+ ")
    box.reader.setText("AB")
    box.record.click()
    box.reveal.click()
    assert seen_virtual(session)
    assert session.panes.own() is not virtual_layers(window)[0]
    assert not virtual_layers(window)[0].visible
    (read,) = review.state.reads
    assert (read.region, read.classification, read.score) == ("hot spot", "Tumor", "2+")
    assert (read.model, read.reader) == ("demo", "AB")
    assert (round(read.view.y_um), round(read.view.x_um)) == (175, 200)
    assert read.view.rotation_degrees == 30
    assert read.begun_utc <= read.scored_utc <= read.revealed_utc
    review.reading.begin()
    review.reading.reveal(0, "")
    assert review.state.reads[-1].score == ""
    assert review.state.reads[-1].revealed_utc
    review.attempt(review.export_reads, tmp_path / "reads.csv")
    with (tmp_path / "reads.csv").open(encoding="utf-8-sig") as file:
        assert [row["score"] for row in csv.DictReader(file)] == ["2+", ""]
    review.kept.keep("start")
    path = tmp_path / "case.json"
    review.attempt(review.save, path)
    assert _spin_until(lambda: path.exists() and not review.state.activity, 30)
    assert json.loads(path.read_text())["slides"][0]["path"] is None
    window.layers.remove(NAME)
    look_at(window, 400.0, 400.0, 5)
    set_turn(window, 0)
    review.attempt(review.open, path)
    assert _spin_until(lambda: "Opened" in review.state.notice, 30)
    assert turn_of(window) == 30
    (region,) = regions_in(window)
    np.testing.assert_allclose(region.polygons[0].holes[0], HOLE, atol=0.01)
    assert translate.state.model == "other"
    assert len(review.state.reads) == 2
    session.panes.arrange(1)
    assert virtual_layers(window)[0].visible
    content = json.loads(path.read_text())
    content["slides"][0]["fingerprint"] = content["chosen"] = "0" * 32
    path.write_text(json.dumps(content))
    review.attempt(review.open, path)
    assert _spin_until(lambda: "fingerprint 00000000" in review.state.error)
    assert dock is not None


def test_regions_survive_the_canvas_and_a_turned_view() -> None:
    viewer = ViewerModel()
    turning = Turning(viewer)
    set_turn(viewer, 40)
    parts = (Polygon(SQUARE, (HOLE,)), Polygon(SQUARE + 300))
    more = {"measurements": {"Area": 1.5}, "isLocked": True}
    regions = [
        ReviewRegion(parts, "a", "Tumor", colour=(255, 0, 10), more=more),
        ReviewRegion(parts[:1]),
    ]
    show_regions(viewer, regions)
    viewer.add_shapes([SQUARE], shape_type="ellipse", ndim=2)
    first, second, drawn = regions_in(viewer)
    assert (first.name, first.classification, first.identity) == ("a", "Tumor", regions[0].identity)
    assert first.colour == (255, 0, 10)
    assert (first.more, second.more) == (more, {})
    assert second.identity == regions[1].identity
    np.testing.assert_allclose(first.polygons[1].outline, SQUARE + 300, atol=1e-6)
    np.testing.assert_allclose(first.polygons[0].holes[0], HOLE, atol=1e-6)
    assert drawn.name == "Region 3"
    assert len(drawn.polygons[0].outline) == 64
    new = (
        ReviewRegion((Polygon(HOLE),), "new"),
        ReviewRegion((Polygon(SQUARE),), "without the hole"),
    )
    again = [*regions, replace(drawn, identity="as saved"), *new]
    assert show_regions(viewer, again) == 2
    names = [region.name for region in regions_in(viewer)]
    assert names == ["a", "", "new", "without the hole", "Region 5"]
    assert turning is not None


def test_a_view_is_found_again() -> None:
    viewer = ViewerModel()
    turning = Turning(viewer)
    look_at(viewer, 300.0, 120.0, 20)
    set_turn(viewer, 75)
    kept = present_view(viewer, "f" * 32, "necrosis")
    set_turn(viewer, 0)
    look_at(viewer, 0.0, 0.0, 1)
    go_to(viewer, kept)
    np.testing.assert_allclose(view_centre(viewer), (300, 120), atol=0.01)
    assert present_view(viewer, "f" * 32, "necrosis") == kept
    assert title(kept, 2) == "2  necrosis (20×, 75° at 0.30, 0.12 mm)"
    assert [step(3, -1, 1), step(3, 2, 1), step(3, 0, -1), step(0, -1, 1)] == [0, 0, 2, -1]
    assert turning is not None


def test_a_view_is_of_a_slide_and_is_dropped_alone() -> None:
    viewer, state = ViewerModel(), ReviewState()
    window = cast("Session", SimpleNamespace(viewer=viewer, chosen=None, slides=list))
    kept = KeptViews(window, state)
    state.views = (present_view(viewer, "a" * 32), present_view(viewer, "b" * 32))
    kept.remove()
    assert len(state.views) == 2
    kept.go(1)
    assert (state.current, state.error) == (1, OTHER_SLIDE)
    kept.set_note("mitoses")
    assert [view.note for view in state.views] == ["", "mitoses"]
    kept.remove()
    assert [view.slide for view in state.views] == ["a" * 32]


def test_a_region_stays_chosen_while_others_come(qapp: object) -> None:
    box, state = ReadBox(), ReviewState(regions=("in view", "a", "b"))
    box.show_reads(state)
    box.region.setCurrentIndex(2)
    state.regions = ("in view", "new", "a", "b")
    box.show_reads(state)
    assert box.region.currentText() == "b"
    state.regions = ("in view", "a")
    box.show_reads(state)
    assert box.region.currentText() == "in view"
    box.deleteLater()
