"""A real training, from the form to the model, across two viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_viewer_train_page import spin_until

from napari_virtual_ihc.jobs.job import find
from napari_virtual_ihc.slides.phantom.pairs import PairPlan, write_pairs
from napari_virtual_ihc.widgets.train.controller import TrainController
from napari_virtual_ihc.widgets.translate.controller import TranslateController

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer

    from napari_virtual_ihc.widgets.dock import Dock

TINY = {
    "ngf": 4,
    "ndf": 4,
    "n_blocks": 1,
    "nce_layers": [0, 4, 8],
    "num_patches": 16,
    "netf_width": 8,
    "crop_size": 36,
    "batch_size": 1,
}
STEPS = 800
PATIENCE_S = 600.0


def _dock(viewer: Viewer) -> tuple[Dock, TrainController]:
    from napari_virtual_ihc.widgets.dock import VirtualIhcDock

    dock = VirtualIhcDock(viewer)
    viewer.window.add_dock_widget(dock, name="Virtual IHC", area="right")
    dock.show_page("Train")
    page = next(page for page in dock.pages if isinstance(page, TrainController))
    assert spin_until(lambda: page.state.catalogue and page.state.runs is not None, PATIENCE_S)
    return dock, page


def _fill_in(page: TrainController, pairs: Path) -> None:
    entries = {
        "data": str(pairs), "mpp": "0.5", "marker": "Ki-67", "preset": "smoke",
        "device": "cpu", "precision": "32-true", "steps": str(STEPS),
    }  # fmt: skip
    for name, value in entries.items():
        page.view.form.edited.emit(name, value)
    for name, setting in TINY.items():
        page.filling.set_switch(name, setting)


@pytest.mark.slow
def test_a_model_is_trained_stopped_found_again_and_offered(
    request: pytest.FixtureRequest, window: Viewer, private_home: Path, tmp_path: Path
) -> None:
    write_pairs(tmp_path / "pairs", PairPlan(6, 64, 1, "Ki-67"))
    _, page = _dock(window)
    _fill_in(page, tmp_path / "pairs")
    assert spin_until(page.view.form.start.isEnabled, PATIENCE_S), page.view.form.hint.text()
    page.view.form.start.click()
    assert spin_until(lambda: "G" in page.view.plots.titles(), PATIENCE_S), page.state.error
    assert page.view.plots.points("G") > 0
    buttons = page.view.runs.buttons
    assert spin_until(lambda: buttons["stop"].isEnabled(), PATIENCE_S)
    buttons["stop"].click()
    assert spin_until(lambda: page.state.row and page.state.row.state == "stopped", PATIENCE_S)
    window.close()

    (job,) = find(private_home / "runs")
    assert (job.run.path.name, job.state) == ("asp-Ki-67-smoke", "stopped")
    assert len(job.run.losses()) < STEPS
    another: Viewer = request.getfixturevalue("make_napari_viewer")(show=True, strict_qt="raise")
    dock, page = _dock(another)
    assert page.state.row is not None
    assert page.state.row.name == "asp-Ki-67-smoke"
    resume = page.view.runs.buttons["resume"]
    assert spin_until(resume.isEnabled, PATIENCE_S)
    resume.click()
    assert spin_until(lambda: page.state.row and page.state.row.state == "finished", PATIENCE_S)
    assert sorted(job.run.losses()) == list(range(STEPS))
    assert spin_until(lambda: not page.view.samples.picture.image.isNull(), PATIENCE_S)
    translate = next(one for one in dock.pages if isinstance(one, TranslateController))
    assert spin_until(lambda: translate.view.models.findData("asp-Ki-67-smoke") >= 0, PATIENCE_S)
    translate.translation.set_model("asp-Ki-67-smoke")
    assert translate.state.model == "asp-Ki-67-smoke"
