"""The Train page offers pairs of two registered layers, cuts them and fills in their folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_viewer_train_page import check, opened_page, spin_until  # noqa: F401

from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.warp import warp
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.slides.source import all_valid
from napari_virtual_ihc.widgets.aligned import Aligned
from napari_virtual_ihc.widgets.train.pairs_model import NO_MARKER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

    from napari_virtual_ihc.slides.source import Pixels
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry
    from napari_virtual_ihc.widgets.train.controller import TrainController

SIDE = 2048


class Mosaic:
    """Pink and purple squares."""

    def __init__(self) -> None:
        draw = np.random.default_rng(1)
        seats = draw.random((SIDE // 8, SIDE // 8))[..., None] < 0.4
        small = np.where(seats, (110, 60, 140), (225, 160, 200))
        self._pixels = np.kron(small, np.ones((8, 8, 1))).astype(np.uint8)
        self.shapes = ((SIDE, SIDE),)
        self.tile_shapes = ((512, 512),)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        return all_valid(self._pixels[y : y + h, x : x + w].copy())


@pytest.fixture
def registered(window: Viewer, opened: Callable[[Slide], Session]) -> tuple[Session, Aligned]:
    slides = [Slide(f"{name}.svs", Mosaic(), 0.5) for name in ("he", "ihc")]
    for slide in slides:
        session = opened(slide)
    found = Registration(Mapping(np.eye(2, 3)), *(Section.of(slide) for slide in slides))
    entries: list[SlideEntry] = session.slides()
    return session, Aligned(found, *entries, warp(found, slides[1]))


def test_pairs_of_two_registered_layers_fill_the_form(
    registered: tuple[Session, Aligned], opened_page: Callable[[], TrainController], tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    session, aligned = registered
    page = opened_page()
    cutting, view, out = page.pairs, page.pairs.view, tmp_path / "pairs"
    assert not view.isVisible()
    session.align(aligned)
    assert spin_until(view.isVisible)
    assert view.activity.text() == "he.svs + ihc.svs"
    cutting.cut(out)
    assert view.error.text() == NO_MARKER
    for name, value in (("marker", "Ki-67"), ("mpp", "0.1")):
        page.view.form.edited.emit(name, value)
    cutting.cut(out)
    assert spin_until(lambda: cutting.state.error)
    assert "finer than the slides" in view.error.text()
    page.view.form.edited.emit("mpp", "")
    cutting.cut(out)
    assert spin_until(lambda: cutting.state.total > 0)
    view.cancel.click()
    assert (cutting.state.activity, page.form.data) == ("", "")
    cutting.cut(out)
    assert view.bar.isVisible()
    assert not view.cut.isEnabled()
    assert spin_until(lambda: cutting.state.told or cutting.state.error, 60)
    assert cutting.state.error == ""
    assert (page.form.data, page.form.mpp) == (str(out), "0.5")
    assert page.form.registered
    assert len(list((out / "trainA").iterdir())) > 3
    assert "held out by region" in view.told.text()
    session.align(None)
    assert not view.cut.isEnabled()
