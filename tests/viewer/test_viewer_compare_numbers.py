"""Numbers of the Compare page in a real window: of the view, of regions, away from its thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from compare_scene import UNCHANGED, browner_slide, he_slide, registered
from PIL import Image
from qtpy.QtCore import QPointF, Qt
from qtpy.QtTest import QTest
from test_viewer_compare_maps import docked
from test_viewer_window import _spin_until
from viewer_fakes import FakeModel, FakePrepare

from napari_virtual_ihc.comparison.agreement import totals
from napari_virtual_ihc.comparison.drawing import Dot
from napari_virtual_ihc.comparison.marking import STRIP_RGB
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.camera import (
    current_magnification,
    look_at,
    set_magnification,
    set_turn,
    view_centre,
    visible_box,
)
from napari_virtual_ihc.widgets.compare import numbers
from napari_virtual_ihc.widgets.compare.disagreement_model import NO_NUMBERS
from napari_virtual_ihc.widgets.compare.model import HELD, NO_VIRTUAL
from napari_virtual_ihc.widgets.compare.regions import DRAWN, SLIDE, in_view, region_of
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.compare.controller import CompareController
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]

SIZE = 512.0, 512.0


@pytest.fixture
def model() -> FakeModel:
    return FakeModel(colour=UNCHANGED)


@pytest.fixture
def compare(window: Viewer, page: Page, model: FakeModel) -> CompareController:
    """Return the page over a slide, its virtual layer, and a real one shifted on the right."""
    session, _ = page(he_slide(), FakePrepare(demo=model))
    assert wait_until_settled(session, 20)
    registered(session)
    compare = docked(window)
    compare.numbers.set_live(False)
    compare.numbers.set_choice("cells", "none")
    return compare


def measured(compare: CompareController, where: str) -> CompareController:
    compare.view.choice_changed.emit("where", where)
    compare.view.measure.click()
    assert compare.state.activity
    assert not compare.view.measure.isEnabled()
    assert _spin_until(lambda: not compare.state.activity, 60)
    return compare


def test_the_slide_is_measured_where_it_is_comparable(
    window: Viewer, compare: CompareController, tmp_path: Path
) -> None:
    state = measured(compare, SLIDE).state
    assert state.error == ""
    answer = state.answer
    assert answer is not None
    assert 0.35 < answer.tally.comparable < 0.5
    sides = totals(answer.tally)["dab_area"]
    assert sides["virtual"] == pytest.approx(sides["real"], abs=1)
    assert sides["real"] > 3
    by_size = [one for one in answer.found if one.measure.name == "dab_area"]
    assert [one.square_um for one in by_size] == [50, 100, 250, 500]
    assert by_size[0].statistics["icc"].value > 0.95
    assert answer.about["real"] == compare.session.aligned.registration.moving.fingerprint
    view = compare.view.results
    assert "is comparable; only that is measured" in view.share.text()
    assert answer.tally.verdict_shares["shifted"] > 0.2
    assert "shifted</td>" in view.verdicts.text()
    assert "ICC(2,1)" in view.agreement.text()
    assert "comparable: tissue" in view.protocol.text()
    assert len(view.drawings()) == 3
    dot = next(mark for mark in view.scatter.drawing.marks if isinstance(mark, Dot))
    scale = view.scatter.width() / view.scatter.drawing.width
    assert view.scatter.item_at(QPointF(dot.x * scale, dot.y * scale)) >= 0
    view.scatter.item_clicked.emit(0)
    plotted = next(one for one in by_size if one.square_um == 100)
    y, x = visible_box(compare.session.viewer).centre
    assert (y, x) == pytest.approx((plotted.y_um[0] + 50, plotted.x_um[0] + 50))
    saved(compare, tmp_path)
    of_a_drawn_region(window, compare)


def saved(compare: CompareController, folder: Path) -> None:
    """Write the report, and look at what says that it is virtual."""
    compare.save(folder / "out")
    assert _spin_until(lambda: not compare.state.activity, 60)
    assert compare.state.error == ""
    assert "report.pdf" in compare.view.notice.text()
    told = json.loads((folder / "out" / "comparison.json").read_text("utf-8"))
    assert told["provenance"]["virtual"] == {"model": "demo"}
    assert told["provenance"]["he"] == compare.watch.sides.he.fingerprint
    assert np.asarray(Image.open(folder / "out" / "plots.png")).shape[1] > 2000
    region = np.asarray(Image.open(folder / "out" / "region.png"))
    assert (region[-2, 1] == STRIP_RGB).all()
    (folder / "file").write_text("no folder")
    compare.save(folder / "file")
    assert _spin_until(lambda: not compare.state.activity, 60)
    assert "file" in compare.state.error


def of_a_drawn_region(window: Viewer, compare: CompareController) -> None:
    """Measure without a drawing, then draw; whole squares of the drawing are measured."""
    compare.view.choice_changed.emit("where", DRAWN)
    compare.view.measure.click()
    assert "press Draw" in compare.view.error.text()
    compare.view.draw.click()
    layer = window.layers["Compared regions"]
    layer.add_rectangles(np.array([[50.0, 50.0], [50.0, 200.0], [250.0, 200.0], [250.0, 50.0]]))
    answer = measured(compare, DRAWN).state.answer
    assert answer is not None
    assert compare.view.error.text() == ""
    assert answer.tally.real.sums.shape[:2] == (4, 3)
    assert answer.tally.comparable > 0.9
    layer.add_polygons(np.array([[50.0, 50.0], [50.0, 300.0], [300.0, 50.0]]))
    layer.selected_data = {1}
    assert len(region_of(window, DRAWN, SIZE).rings) == 1
    layer.selected_data = {0}
    assert region_of(window, DRAWN, SIZE).rings == ()
    layer.data = [layer.data[0] + 600]
    with pytest.raises(VirtualIhcError, match=r"“Region 1” lies outside the slide"):
        region_of(window, DRAWN, SIZE)
    set_turn(window, 30)
    assert [ring.shape for ring in in_view(window, SIZE).rings] == [(4, 2)]


def test_one_goes_from_disagreement_to_disagreement_by_key(window: Viewer, page: Page) -> None:
    session, _ = page(he_slide(), FakePrepare(demo=FakeModel(colour=UNCHANGED)))
    assert wait_until_settled(session, 20)
    registered(session, browner_slide())
    compare = docked(window)
    compare.numbers.set_live(False)
    compare.numbers.set_choice("cells", "none")
    canvas = window.window._qt_viewer.canvas.native
    active = window.layers.selection.active

    def go_on() -> str:
        QTest.keyClick(canvas, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
        return compare.view.disagreement.text()

    assert go_on() == NO_NUMBERS
    assert window.status == NO_NUMBERS
    worst = measured(compare, SLIDE).state.answer.disagreements
    assert compare.view.disagreement.text() == ""
    assert min(one.x_um for one in worst[:3]) >= 200
    set_magnification(window, 2)
    set_turn(window, 30)
    assert go_on().startswith(f"Disagreement 1 of {len(worst)}: DAB area ")
    assert view_centre(window) == pytest.approx(worst[0].middle_um)
    assert current_magnification(window) == pytest.approx(10)
    frame = window.layers["Disagreement"]
    np.testing.assert_allclose(frame.data, [worst[0].middle_um])
    assert window.layers.selection.active is active
    compare.view.further.click()
    assert view_centre(window) == pytest.approx(worst[1].middle_um)
    assert frame in window.layers
    session.set_blind(True)
    assert frame not in window.layers
    assert go_on() == ""
    session.set_blind(False)
    assert go_on().startswith("Disagreement 1 of ")
    session.align(None)
    assert not [one for one in window.layers if one.name == "Disagreement"]


def test_the_view_is_measured_when_it_rests_and_not_without_a_virtual_layer(
    window: Viewer, compare: CompareController, model: FakeModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    state, view = compare.state, compare.view.live
    look_at(window, 150.0, 120.0, 10)
    compare.numbers.set_live(True)
    assert _spin_until(lambda: state.view_answer is not None, 30)
    first = state.view_answer
    assert first.region.box.w < 300
    assert first.tally.comparable > 0.9
    assert "of 50 µm" in view.line.text()
    look_at(window, 150.0, 400.0)
    assert _spin_until(lambda: state.view_answer is not first and not state.view_note, 30)
    assert state.view_answer.tally.comparable < 0.2
    assert "comparable</td>" in view.verdicts.text()
    monkeypatch.setattr(numbers, "MOST_LIVE_MM2", 0.01)
    look_at(window, 150.0, 390.0)
    assert _spin_until(lambda: "by itself it is measured up to 2 mm²" in view.note.text(), 10)
    assert not view.table.text()
    monkeypatch.undo()
    compare.numbers.set_live(False)
    assert not view.table.isVisible()
    cancelled_and_lost(window, compare, model)


def cancelled_and_lost(window: Viewer, compare: CompareController, model: FakeModel) -> None:
    """Stop a measurement that waits for a slow model, then take its layer away."""
    look_at(window, 20_000.0, 20_000.0)
    compare.session.services.cache.clear()
    compare.numbers.set_choice("vectors", "estimated")
    model.seconds = 30.0
    compare.view.choice_changed.emit("where", SLIDE)
    compare.view.measure.click()
    assert _spin_until(lambda: model.busy, 20)
    compare.view.cancel.click()
    assert compare.state.activity == ""
    assert _spin_until(lambda: model.cancelled > 0, 5)
    assert not _spin_until(lambda: compare.state.answer is not None, 0.5)
    compare.watch.sides.virtual.pyramid.held = True
    compare.numbers.set_live(True)
    assert compare.view.live.note.text() == HELD
    window.layers.remove(next(one for one in window.layers if "virtual" in one.name))
    assert compare.view.live.note.text() == NO_VIRTUAL
    assert not compare.view.measure.isEnabled()
