"""How a model is to run, as the Translate page asks, shows and exports it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QApplication
from viewer_fakes import FakePrepare, painted_slide

from napari_virtual_ihc.models.library import Library
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.translation.sampling import Sampling
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.translate.export import Export
from napari_virtual_ihc.widgets.translate.prepare import Choices
from napari_virtual_ihc.widgets.virtual import virtual_layers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    Page = Callable[[Slide, FakePrepare], tuple[Session, TranslateController]]


@pytest.mark.parametrize(
    ("choices", "sampling"),
    [
        (Choices(), Sampling()),
        (Choices(steps="20", seed="7"), Sampling(steps=20, seed=7)),
    ],
)
def test_choices_say_how_a_diffusion_is_sampled(choices: Choices, sampling: Sampling) -> None:
    assert choices.sampling == sampling


def test_the_seed_of_a_diffusion_can_be_set(page: Page) -> None:
    prepare = FakePrepare()
    session, translate = page(painted_slide(), prepare)
    seed = translate.view.settings.seed
    assert not seed.isEnabled()
    translate.translation.set_model("noisy")
    assert wait_until_settled(session, 20)
    assert (seed.isEnabled(), seed.text()) == (True, "0")
    seed.setText("007")
    seed.editingFinished.emit()
    assert wait_until_settled(session, 20)
    assert prepare.asked[-1].sampling == Sampling(seed=7)
    assert (seed.text(), session.translating["seed"]) == ("7", "7")
    asked = len(prepare.asked)
    seed.editingFinished.emit()
    assert wait_until_settled(session, 20)
    assert len(prepare.asked) == asked


def test_a_review_brings_its_seed_and_an_old_one_the_first(page: Page) -> None:
    prepare = FakePrepare()
    session, translate = page(painted_slide(), prepare)
    for written, seed in (({"model": "noisy", "seed": "5"}, 5), ({"model": "noisy"}, 0)):
        session.translation_requested.emit(written)
        assert wait_until_settled(session, 20)
        assert prepare.asked[-1].sampling.seed == seed
    assert translate.state.seed == "0"


def test_going_back_to_a_model_leaves_its_layer_alone(page: Page) -> None:
    session, translate = page(painted_slide(), FakePrepare())
    for name in ("other", "demo", "other"):
        translate.translation.set_model(name)
        assert wait_until_settled(session, 20)
        shown = translate.translation.shown
        assert shown is not None
        assert virtual_layers(session.viewer) == [shown.layer()]


def test_what_is_translated_can_be_exported(page: Page, tmp_path: Path) -> None:
    session, translate = page(painted_slide(600, 600), FakePrepare())
    assert wait_until_settled(session, 20)
    Export(translate.translation, Library()).start(tmp_path / "out.ome.zarr")
    end = time.monotonic() + 60
    while not (translate.state.notice or translate.state.error) and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
    assert translate.state.error == ""
    assert translate.state.notice == "Written: out.ome.zarr, 4 tiles."
    assert open_slide(tmp_path / "out.ome.zarr").mpp == pytest.approx(0.5)
