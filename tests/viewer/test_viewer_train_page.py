"""The Train page in a real window, over run folders that no training works on."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from train_fakes import fake_run, idle_job, tell_losses, tell_validation, write_sample
from viewer_fakes import FakeLibrary, FakePrepare, fake_card

from napari_virtual_ihc.training.findings import Finding
from napari_virtual_ihc.widgets.train.fields import COMMON, OWN, SHARED, read_catalogue
from napari_virtual_ihc.widgets.train.form import CheckWish, load_form
from napari_virtual_ihc.widgets.train.model import DataCheck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

    from napari_virtual_ihc.widgets.train.controller import TrainController

    Open = Callable[[], TrainController]


class FakeCheck:
    """Finds pairs where there are none; remembers what it was asked, and by which thread."""

    def __init__(self) -> None:
        self.asked: list[CheckWish] = []
        self.threads: set[str] = set()
        self.findings: tuple[Finding, ...] = ()
        self.error = ""

    def __call__(self, wish: CheckWish, progress: Callable[[str, int, int], None]) -> DataCheck:
        self.asked.append(wish)
        self.threads.add(threading.current_thread().name)
        progress("Looking", 3, 12)
        if self.error:
            return DataCheck(wish, error=self.error)
        return DataCheck(wish, "two folders", 90, 10, self.findings)


def spin_until(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.fixture
def runs_dir(private_home: Path) -> Path:
    return private_home / "runs"


@pytest.fixture
def check() -> FakeCheck:
    return FakeCheck()


@pytest.fixture
def opened_page(window: Viewer, check: FakeCheck) -> Open:
    """Open a Train dock, and wait for methods and runs."""
    from napari_virtual_ihc.widgets.dock import TrainDock
    from napari_virtual_ihc.widgets.train.controller import TrainController

    read_catalogue(None)

    def open_it() -> TrainController:
        dock = TrainDock(window)
        page = dock.pages[0]
        assert isinstance(page, TrainController)
        page.filling.check_with = check
        window.window.add_dock_widget(dock, name="Train", area="right")
        assert spin_until(lambda: page.state.catalogue and page.state.runs is not None)
        return page

    return open_it


def fill_in(page: TrainController, **more: Any) -> None:
    entries = {"data": "/pairs", "mpp": "0.5", "marker": "Ki-67"} | more
    for name, value in entries.items():
        page.view.form.edited.emit(name, value)


def test_an_empty_page_teaches(opened_page: Open) -> None:
    page = opened_page()
    assert page.view.new.is_open()
    assert page.view.runs.empty.isVisible()
    assert not page.view.runs.one.isVisible()
    assert not page.view.form.start.isEnabled()
    assert "Choose the folder" in page.view.form.hint.text()
    assert page.view.form.lines["mpp"].text() == ""


def test_what_is_lacking_is_said_until_a_training_can_start(
    opened_page: Open, check: FakeCheck
) -> None:
    page = opened_page()
    form = page.view.form
    fill_in(page, mpp="", marker="")
    assert "µm per pixel" in form.hint.text()
    fill_in(page, marker="")
    assert "what the IHC shows" in form.hint.text()
    fill_in(page)
    assert not form.start.isEnabled()
    assert spin_until(form.start.isEnabled)
    assert not form.hint.isVisible()
    assert form.found.text().startswith("two folders: 90 pairs to train on, 10 held out.")
    assert "40 epochs are 3,600 steps" in form.found.text()
    assert form.lines["out"].placeholderText() == "asp-Ki-67"
    assert check.asked[-1] == ("/pairs", 0.5, "Ki-67", 512)
    assert check.threads
    assert threading.main_thread().name not in check.threads


def test_findings_are_shown_before_starting(opened_page: Open, check: FakeCheck) -> None:
    check.findings = (
        Finding("blank", "a", "a.png shows hardly any tissue."),
        Finding("blank", "b", "b.png shows hardly any tissue."),
        Finding("split", "validation", "Names do not tell slides.", kept=True),
    )
    page = opened_page()
    fill_in(page)
    assert spin_until(page.view.form.left_out.isVisible)
    told = page.view.form.left_out.text()
    assert told == "2 left out: 2 almost without tissue. Names do not tell slides."
    assert page.view.form.all_findings.isVisible()
    check.error = "/pairs holds no usable training pair."
    page.view.form.again.click()
    assert spin_until(page.view.form.refused.isVisible)
    assert page.view.form.refused.text() == check.error
    assert not page.view.form.start.isEnabled()


def test_another_folder_forgets_the_scale_and_asks_again(
    opened_page: Open, check: FakeCheck
) -> None:
    page = opened_page()
    fill_in(page)
    assert spin_until(page.view.form.start.isEnabled)
    page.view.form.edited.emit("data", "/other")
    assert page.form.mpp == ""
    assert page.view.form.lines["mpp"].text() == ""
    assert not page.view.form.start.isEnabled()
    assert not page.view.form.found.isVisible()


def test_methods_that_serve_others_are_apart(opened_page: Open) -> None:
    box = opened_page().view.form.method
    names = [box.itemData(index) for index in range(box.count())]
    heading = box.findText("Networks that serve other methods")
    assert names.index("asp") < heading < names.index("vsmt-reconstruction")
    assert not box.model().flags(box.model().index(heading, 0)) & Qt.ItemFlag.ItemIsSelectable
    tip = box.itemData(names.index("ammfi"), Qt.ItemDataRole.ToolTipRole)
    assert "re-implementation from the paper" in tip


def test_a_switch_that_differs_from_the_preset_is_marked(opened_page: Open) -> None:
    page = opened_page()
    switches = page.view.form.switches
    page.view.form.switches_fold.set_open(True)
    switches.fold(OWN).set_open(True)
    page.filling.set_switch("lambda_gp", 3.5)
    assert switches.labels["lambda_gp"].text() == "● λ gp"
    assert switches.fold(OWN).button.text() == f"{OWN} (1 changed)"
    assert page.view.form.switches_fold.button.text() == "Switches (1 changed)"
    page.filling.set_switch("lambda_gp", 10.0)
    assert switches.labels["lambda_gp"].text() == "λ gp"
    assert page.form.switches == {}


def test_editors_set_switches_of_their_kind(opened_page: Open) -> None:
    page = opened_page()
    switches = page.view.form.switches
    for group in (OWN, SHARED, COMMON, "Augmentation"):
        switches.fold(group).set_open(True)
    switches.editors["augmentation.turn"].widget.click()
    switches.editors["crop_size"].widget.setValue(256)
    line = switches.editors["nce_layers"].line
    line.setText("0, 8")
    line.editingFinished.emit()
    box = switches.editors["gp_norm"].widget
    box.activated.emit(box.findText("l2"))
    assert page.form.switches == {
        "augmentation.turn": True, "crop_size": 256, "nce_layers": [0, 8], "gp_norm": "l2",
    }  # fmt: skip
    assert page.state.recipe is not None
    assert page.state.recipe.crop_size == 256
    page.view.form.switches.reset.click()
    assert page.form.switches == {}
    assert switches.editors["crop_size"].widget.value() == 512


def test_a_row_of_the_papers_table_sets_the_switches(opened_page: Open) -> None:
    page = opened_page()
    menu = page.view.form.switches.ablations.menu()
    action = next(action for action in menu.actions() if action.text() == "w/o SP")
    action.trigger()
    assert page.form.switches == {"lambda_asp": 0.0}


def test_a_value_that_is_not_allowed_is_named_and_framed(
    opened_page: Open, check: FakeCheck
) -> None:
    page = opened_page()
    fill_in(page)
    assert spin_until(page.view.form.start.isEnabled)
    page.view.form.switches.fold(OWN).set_open(True)
    page.filling.set_switch("lambda_gp", -1)
    assert "'lambda_gp'" in page.view.form.problem.text()
    assert page.view.form.switches.editors["lambda_gp"].widget.styleSheet()
    assert not page.view.form.start.isEnabled()
    page.filling.set_switch("lambda_gp", 1)
    assert not page.view.form.switches.editors["lambda_gp"].widget.styleSheet()
    assert spin_until(page.view.form.start.isEnabled)


def test_another_method_has_its_own_switches_and_presets(opened_page: Open) -> None:
    page = opened_page()
    page.filling.set_field("preset", "demo")
    page.filling.set_switch("lambda_gp", 1.0)
    page.view.form.edited.emit("method", "pix2pix")
    assert (page.form.preset, page.form.switches) == ("paper", {})
    page.view.form.switches.fold(OWN).set_open(True)
    assert "lambda_l1" in page.view.form.switches.editors
    assert "lambda_gp" not in page.view.form.switches.editors


def test_runs_are_listed_with_state_steps_and_figure(opened_page: Open, runs_dir: Path) -> None:
    tell_validation(fake_run(runs_dir, "good", end="finished"), 4, 0.71)
    fake_run(runs_dir, "bad", end="failed")
    page = opened_page()
    runs = page.view.runs
    texts = {runs.list.item(i).text().split("\n")[0] for i in range(runs.list.count())}
    assert texts == {"✔ good · finished", "✕ bad · failed"}
    assert not page.view.new.is_open()
    page.training.choose(str(runs_dir / "bad"))
    assert spin_until(runs.failure.isVisible)
    assert runs.failure.text() == "bad could not go on."
    able = {name for name, button in runs.buttons.items() if button.isEnabled()}
    assert able == {"resume"}
    page.training.choose(str(runs_dir / "good"))
    assert spin_until(lambda: not runs.failure.isVisible())
    assert runs.outcome.text() == "The model is on the Translate page as “good”."
    assert not any(button.isEnabled() for button in runs.buttons.values())


def test_curves_grow_while_the_run_does(opened_page: Open, runs_dir: Path) -> None:
    run = fake_run(runs_dir, "a", end="stopped")
    tell_validation(run, 4, 0.5)
    page = opened_page()
    plots = page.view.plots
    assert spin_until(lambda: plots.titles() == ["dab_area_r", "D", "GAN"])
    assert plots.points("GAN") == 4
    tell_losses(run, range(4, 9))
    assert spin_until(lambda: plots.points("GAN") == 9)


def test_without_pyqtgraph_one_sentence_says_what_to_install(
    opened_page: Open, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_virtual_ihc.widgets.train.filling.find_spec", lambda name: None)
    fake_run(runs_dir, "a", end="stopped")
    page = opened_page()
    assert spin_until(page.view.plots.missing.isVisible)
    assert "napari-virtual-ihc[train]" in page.view.plots.missing.text()


def test_the_newest_sample_is_shown_unless_one_looks_back(
    opened_page: Open, runs_dir: Path
) -> None:
    run = fake_run(runs_dir, "a", end="stopped")
    files = [write_sample(run, step) for step in (100, 200)]
    page = opened_page()
    samples = page.view.samples
    assert spin_until(lambda: samples.file() == files[1])
    assert samples.caption.text() == "Step 200, newest"
    assert spin_until(lambda: not samples.picture.image.isNull())
    files.append(write_sample(run, 300))
    assert spin_until(lambda: samples.file() == files[2])
    samples.slider.setValue(0)
    files.append(write_sample(run, 400))
    assert spin_until(lambda: samples.slider.maximum() == 3)
    assert samples.file() == files[0]
    assert samples.caption.text() == "Step 100"


def test_a_run_is_paused_continued_and_stopped_from_the_page(
    opened_page: Open, runs_dir: Path
) -> None:
    run = fake_run(runs_dir, "a")
    job = idle_job(run)
    try:
        page = opened_page()
        buttons = page.view.runs.buttons
        assert spin_until(buttons["pause"].isEnabled)
        buttons["pause"].click()
        assert spin_until(lambda: run.wish() == "pause")
        run.append_event({"event": "paused", "step": 4})
        assert spin_until(lambda: buttons["continue"].isVisible() and not page.state.activity)
        buttons["continue"].click()
        assert spin_until(lambda: run.wish() == "run" and not page.state.activity)
        page.view.runs.priority_chosen.emit("viewer")
        assert spin_until(lambda: run.control().priority == "viewer")
        assert spin_until(lambda: not page.state.activity and buttons["stop"].isEnabled())
        buttons["stop"].click()
        assert spin_until(lambda: not job.alive())
        assert spin_until(buttons["resume"].isEnabled)
        assert page.state.row is not None
        assert page.state.row.state == "stopped"
    finally:
        job.stop()


def test_closing_the_viewer_leaves_the_run_alone(
    window: Viewer, opened_page: Open, runs_dir: Path
) -> None:
    run = fake_run(runs_dir, "a")
    job = idle_job(run)
    try:
        page = opened_page()
        assert page.state.row is not None
        window.close()
        ours = lambda: [t for t in threading.enumerate() if t.name.startswith("virtual-ihc")]  # noqa: E731
        assert spin_until(lambda: not ours())
        assert job.alive()
        assert run.wish() == "run"
    finally:
        job.stop()


def test_the_form_is_there_again_after_a_restart(window: Viewer, opened_page: Open) -> None:
    page = opened_page()
    fill_in(page, method="cut", device="cpu", priority="viewer")
    page.filling.set_switch("nce_idt", False)
    window.window.remove_dock_widget("all")
    again = load_form()
    assert (again.data, again.mpp, again.method) == ("/pairs", "0.5", "cut")
    assert (again.switches, again.priority) == ({"nce_idt": False}, "viewer")
    page = opened_page()
    assert page.view.form.lines["mpp"].text() == "0.5"
    assert page.view.form.boxes["priority"].currentData() == "viewer"


def test_what_stands_right_is_not_painted_again(opened_page: Open, runs_dir: Path) -> None:
    fake_run(runs_dir, "a", end="stopped")
    page = opened_page()
    page.view.new.set_open(True)
    page.view.form.more.set_open(True)
    spin_until(lambda: False, 0.5)
    drawn: list[str] = []

    class Watch(QObject):
        def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
            if event is not None and event.type() == QEvent.Type.Paint:
                drawn.append(type(watched).__name__)
            return False

    watch = Watch()
    form, runs = page.view.form, page.view.runs
    for widget in (form.registered, form.method, form.lines["mpp"], runs.list.viewport()):
        widget.installEventFilter(watch)
    for _ in range(5):
        page.view.form.show_form(page.form, page.state)
        page.view.form.show_state(page.state)
        page.training.watch.look()
        spin_until(lambda: False, 0.1)
    assert not drawn


@pytest.mark.parametrize("method", ["asp", "vsmt", "cyclegan"])
def test_the_page_fits_the_dock(
    window: Viewer, opened_page: Open, runs_dir: Path, method: str
) -> None:
    from napari_virtual_ihc.widgets.dock import TranslateDock

    tell_validation(fake_run(runs_dir, "a-run-with-quite-a-long-name", end="failed"), 4, 0.71)
    page = opened_page()
    page.view.new.set_open(True)
    for fold in (page.view.form.more, page.view.form.switches_fold):
        fold.set_open(True)
    page.filling.set_field("method", method)
    for group in page.filling.sheet.groups():
        page.view.form.switches.fold(group).set_open(True)
    spin_until(lambda: False, 0.3)
    translate = TranslateDock(window)
    window.window.add_dock_widget(translate, name="Translate", area="right")
    widest = translate.pages[0].view.minimumSizeHint().width()
    assert page.view.minimumSizeHint().width() <= widest


def test_a_finished_model_is_offered_at_once(window: Viewer) -> None:
    from napari_virtual_ihc.widgets.dock import Dock
    from napari_virtual_ihc.widgets.session import session_of
    from napari_virtual_ihc.widgets.translate.controller import TranslateController

    library = FakeLibrary()
    dock = Dock(window, [lambda session: TranslateController(session, library, FakePrepare())])
    window.window.add_dock_widget(dock, name="Virtual IHC", area="right")
    page, session = dock.pages[0], session_of(window)
    assert isinstance(page, TranslateController)
    assert session is not None
    page.translation.set_model("other")
    helper = fake_card("helper").model_copy(update={"kind": "auxiliary"})
    library.cards = [*library.cards, fake_card("new"), helper]
    session.models_changed.emit()
    names = lambda: [page.view.models.itemData(i) for i in range(page.view.models.count())]  # noqa: E731
    assert spin_until(lambda: names() == ["demo", "other", "noisy", "new"])
    assert page.view.models.currentData() == "other"


def test_opening_the_dock_loads_neither_torch_nor_pyqtgraph() -> None:
    code = (
        "import sys; import napari_virtual_ihc.widgets.dock; "
        "assert not {'torch', 'pyqtgraph'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
