"""A review opened in a new window looks as it did, and what is missing is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from compare_scene import cells, shifted
from napari.layers import Image
from PIL import Image as Picture
from test_viewer_window import _spin_until
from viewer_fakes import FakeLibrary, FakePrepare

from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.store import save as save_registration
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.widgets.align.controller import AlignController
from napari_virtual_ihc.widgets.camera import look_at, set_turn, turn_of, view_centre
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.dock import Dock
from napari_virtual_ihc.widgets.layers import PATH, slide_layer
from napari_virtual_ihc.widgets.review.controller import ReviewController
from napari_virtual_ihc.widgets.review.layout import named_layers, present_layout
from napari_virtual_ihc.widgets.session import Session, session_of
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.translate.controller import TranslateController
from napari_virtual_ihc.widgets.views.mixing_model import Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

MPP = 0.5


def docked(viewer: Viewer) -> tuple[Session, Dock, ReviewController]:
    """Open the dock with a fake model; returns the session and the Review page too."""
    make = lambda session: TranslateController(session, FakeLibrary(), FakePrepare())  # noqa: E731
    dock = Dock(viewer, [make, AlignController, CompareController, ReviewController])
    viewer.window.add_dock_widget(dock, name="Virtual IHC", area="right")
    session = session_of(viewer)
    assert session is not None
    return session, dock, dock.pages[-1]


def open_pair(session: Session, folder: Path) -> None:
    """Open an H&E and a real IHC from files, and lay the one onto the other."""
    files = {"he.png": cells(), "ihc.png": shifted(cells())}
    for name, pixels in files.items():
        Picture.fromarray(pixels).save(folder / name)
        slide = open_slide(folder / name, MPP)
        data, arguments, _ = slide_layer(slide)
        arguments["metadata"][PATH] = str(folder / name)
        session.viewer.add_layer(Image(data, **arguments))
    assert wait_until_settled(session, 60)
    sections = [Section.of(entry.slide) for entry in session.slides()]
    save_registration(Registration(Mapping(np.eye(2, 3)), *sections), folder / "fit")
    session.lay_requested.emit(folder / "fit", session.slides()[1])


def saved(review: ReviewController, path: Path) -> None:
    review.view.places.setChecked(True)
    review.attempt(review.save, path)
    assert _spin_until(lambda: "Written" in review.state.notice or bool(review.state.error), 30)
    assert not review.state.error


def reopened(viewer: Viewer, path: Path) -> tuple[Session, ReviewController, Dock]:
    session, dock, review = docked(viewer)
    review.attempt(review.open, path)
    assert _spin_until(lambda: "Opened" in review.state.notice or bool(review.state.error), 60)
    return session, review, dock


@pytest.mark.slow
def test_a_review_looks_as_it_did(
    window: Viewer, make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    session, dock, review = docked(window)
    open_pair(session, tmp_path)
    session.map_requested.emit("comparability", "he")
    assert _spin_until(lambda: len(named_layers(session)) == 5, 60)
    named = {name.kind: layer for name, layer in named_layers(session).items()}
    named["map"].opacity, named["registered"].gamma = 0.35, 0.8
    look_at(window, 220.0, 260.0, 20)
    set_turn(window, 30)
    session.panes.arrange(4)
    session.panes.show_own(named["virtual"])
    for pane, kind in zip(session.panes.all(), ("registered", "map", "slide"), strict=True):
        session.panes.show(pane, named[kind])
    session.panes.all()[2].set_shift((5.0, -7.0))
    wanted, path = present_layout(session), tmp_path / "case.json"
    saved(review, path)
    other = make_napari_viewer(show=True)
    again, page, its_dock = reopened(other, path)
    assert page.state.error == ""
    assert present_layout(again) == wanted
    assert turn_of(other) == 30
    assert view_centre(other) == pytest.approx((220, 260), abs=0.01)
    assert other.scene.camera.zoom == 2.0
    shown = {name.kind: layer for name, layer in named_layers(again).items()}
    assert again.panes.own() is shown["virtual"]
    assert [pane.layer for pane in again.panes.all()] == [
        shown[kind] for kind in ("registered", "map", "slide")
    ]
    assert shown["map"].opacity == 0.35
    again.mixing.set_pair(shown["virtual"], shown["registered"])
    again.mixing.start(Way.CURTAIN)
    again.mixing.set_share(0.3)
    saved(page, path)
    assert json.loads(path.read_text())["slides"][0]["path"] == "he.png"
    review.attempt(review.open, path)
    assert _spin_until(lambda: session.mixing.way is Way.CURTAIN, 60)
    assert session.mixing.share == 0.3
    assert session.mixing.pair == (named["virtual"], named["registered"])
    assert not session.panes.all()
    assert {name.kind: one for name, one in named_layers(session).items()}["map"].opacity == 0.35
    assert dock is not its_dock


def test_what_is_missing_is_said_and_all_else_is_shown(
    window: Viewer, make_napari_viewer: Callable[..., Viewer], tmp_path: Path
) -> None:
    session, dock, review = docked(window)
    open_pair(session, tmp_path)
    assert _spin_until(lambda: len(named_layers(session)) == 4, 60)
    session.panes.arrange(2)
    review.kept.keep("start")
    path = tmp_path / "case.json"
    saved(review, path)
    content = json.loads(path.read_text().replace('"demo"', '"gone"'))
    path.write_text(json.dumps(content))
    (tmp_path / "case.registration" / "registration.json").unlink()
    other = make_napari_viewer(show=True)
    again, page, its_dock = reopened(other, path)
    assert _spin_until(lambda: bool(page.state.error), 30)
    assert "the virtual stain of model gone" in page.state.error
    assert "the slide laid onto the H&E" in page.state.error
    assert len(again.panes.all()) == 1
    assert [view.note for view in page.state.views] == ["start"]
    assert again.translating["model"] == "gone"
    (tmp_path / "he.png").unlink()
    page.attempt(page.open, path)
    assert _spin_until(lambda: "Opened" in page.state.notice, 30)
    last = make_napari_viewer(show=True)
    empty, third, third_dock = reopened(last, path)
    assert "he.png beside it: open that slide first" in third.state.error
    assert not empty.slides()
    assert len({dock, its_dock, third_dock}) == 3
