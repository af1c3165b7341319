"""Curves and the list of runs, read from run folders while they grow."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from train_fakes import PROTOCOL, fake_run, idle_job, tell_losses, tell_validation, write_sample

from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.settings import Settings, save_settings
from napari_virtual_ihc.widgets.train import survey as train_survey
from napari_virtual_ihc.widgets.train.curves import POINTS, Curves, thinned
from napari_virtual_ihc.widgets.train.model import Figure, RunRow
from napari_virtual_ihc.widgets.train.standing import Standing
from napari_virtual_ihc.widgets.train.survey import Survey, row_of
from napari_virtual_ihc.widgets.train.words import duration_text, row_text, size_text

if TYPE_CHECKING:
    from pathlib import Path


def never() -> bool:
    return False


def _row(run: RunFolder) -> RunRow:
    return row_of(run, Standing(run))


@pytest.fixture
def runs_dir(private_home: Path) -> Path:
    return private_home / "runs"


def test_thinned_curves_are_means_of_neighbours() -> None:
    steps = np.arange(10, dtype=float)
    few_steps, few_values = thinned(steps, steps**2, 5)
    np.testing.assert_allclose(few_steps, [0.5, 2.5, 4.5, 6.5, 8.5])
    np.testing.assert_allclose(few_values, [0.5, 6.5, 20.5, 42.5, 72.5])
    np.testing.assert_array_equal(thinned(steps, steps, 10)[1], steps)


def test_thinning_keeps_the_mean_of_long_curves() -> None:
    values = np.random.default_rng(0).normal(size=200_003)
    _, few = thinned(np.arange(200_003, dtype=float), values)
    assert len(few) == POINTS
    assert few.mean() == pytest.approx(values.mean(), abs=1e-4)


def test_curves_are_figures_then_terms(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "a")
    tell_validation(run, 4, 0.5)
    curves = Curves(run).read(never)
    assert [curve.name for curve in curves] == ["dab_area_r", "D", "GAN"]
    assert curves[0].protocol == PROTOCOL
    np.testing.assert_array_equal(curves[2].values, [1, 2, 3, 4])
    assert curves[2].last == 4


def test_only_what_is_new_is_read(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, offsets = fake_run(runs_dir, "a"), []
    curves = Curves(run)
    first = curves.read(never)
    real = RunFolder.events_since

    def watched(self: RunFolder, offset: int, limit: int = -1) -> object:
        offsets.append((offset, limit))
        return real(self, offset, limit)

    size = run.events_file.stat().st_size
    monkeypatch.setattr(RunFolder, "events_since", watched)
    assert curves.read(never) is first
    tell_losses(run, [4])
    assert curves.read(never)[0].steps[-1] == 4
    assert {offset for offset, _ in offsets} == {size, run.events_file.stat().st_size}
    assert all(limit > 0 for _, limit in offsets)


def test_what_a_resumed_run_repeats_replaces_what_it_repeats(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "a", done=6)
    tell_validation(run, 3, 0.3)
    tell_validation(run, 5, 0.5)
    run.append_event({"event": "started", "step": 3, "steps": 10})
    tell_losses(run, [3])
    figures, losses, _ = Curves(run).read(never)
    np.testing.assert_array_equal(losses.steps, [0, 1, 2, 3])
    np.testing.assert_array_equal(figures.steps, [3])


def test_long_runs_are_few_points(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "long", steps=200_000, done=0)
    lines = (
        json.dumps({"event": "losses", "step": step, "losses": {"D": 1.0, "GAN": step / 1000}})
        for step in range(200_000)
    )
    with run.events_file.open("a") as file:
        file.write("\n".join(lines) + "\n")
    curves = Curves(run).read(never)
    assert [len(curve.steps) for curve in curves] == [POINTS, POINTS]
    assert curves[1].last == pytest.approx(199.999)
    assert curves[1].values[-1] == pytest.approx(curves[1].steps[-1] / 1000)


def test_a_row_says_what_there_is_to_know(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "asp-Ki-67", end="stopped")
    tell_validation(run, 4, 0.7142)
    row = _row(run)
    assert row_text(row) == (
        "■ asp-Ki-67 · stopped",
        "asp · Ki-67 · DAB area r 0.714",
        "4 of 10 steps",
    )
    assert row.figure == Figure("dab_area_r", 0.7142, PROTOCOL)
    assert row.resumable


def test_a_failure_is_the_sentence_it_told(runs_dir: Path) -> None:
    row = _row(fake_run(runs_dir, "a", end="failed"))
    assert (row.state, row.sentence) == ("failed", "a could not go on.")


def test_a_command_that_was_refused_is_told_from_its_log(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "a", done=0)
    run.events_file.unlink()
    run.log_file.write_text("findings\nvirtual-ihc: /pairs is not a folder of training pairs.\n")
    row = _row(run)
    assert (row.state, row.sentence) == ("failed", "/pairs is not a folder of training pairs.")


def test_a_killed_run_says_how_to_go_on(runs_dir: Path) -> None:
    row = _row(fake_run(runs_dir, "a"))
    assert row.state == "lost"
    assert "resume" in row.sentence
    assert row.resumable


def test_runs_that_cannot_have_changed_are_not_read_again(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_run(runs_dir, "ended", end="finished")
    other, read = fake_run(runs_dir, "other", end="stopped"), []
    survey = Survey()
    monkeypatch.setattr(
        train_survey, "row_of", lambda run, s: read.append(run.path.name) or row_of(run, s)
    )
    survey.look("", never)
    assert sorted(read) == ["ended", "other"]
    other.append_event({"event": "finished"})
    rows = {row.name: row.state for row in survey.look("", never).rows}
    assert sorted(read) == ["ended", "other", "other"]
    assert rows == {"ended": "finished", "other": "finished"}


def test_a_run_that_works_is_looked_at_each_time_with_its_memory(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "a")
    job = idle_job(run)
    try:
        survey = Survey()
        look = survey.look(str(run.path), never)
        assert look.rows[0].state == "running"
        assert look.detail is not None
        assert look.detail.memory_bytes is not None
        assert look.detail.memory_bytes > 1e6
    finally:
        job.stop()
    look = survey.look(str(run.path), never)
    assert look.rows[0].state == "stopped"
    assert look.detail is not None
    assert look.detail.memory_bytes is None


def test_the_chosen_run_tells_disk_samples_and_priority(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "a", end="stopped")
    files = (write_sample(run, 2), write_sample(run, 4))
    run.set_priority("viewer")
    detail = Survey().look(str(run.path), never).detail
    assert detail is not None
    assert detail.samples == files
    assert detail.disk_bytes >= run.events_file.stat().st_size + files[0].stat().st_size
    assert (detail.priority, detail.runs_on) == ("viewer", "cpu · 32-true")


def test_runs_elsewhere_are_found_again(runs_dir: Path, tmp_path: Path) -> None:
    fake_run(runs_dir, "here")
    fake_run(tmp_path, "elsewhere")
    save_settings(Settings(other_runs=(tmp_path / "elsewhere",)))
    assert [row.name for row in Survey().look("", never).rows] == ["here", "elsewhere"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (300, "5 min"), (7860, "2 h 11 min"), (180_000, "2 d 2 h")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(54_321, "54.3 kB"), (2_400_000, "2.4 MB"), (1.5e9, "1.5 GB")]
)
def test_sizes_have_three_digits(size: float, text: str) -> None:
    assert size_text(int(size)) == text


def test_a_working_runs_events_are_read_once(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run(runs_dir, "a")
    tell_validation(run, 4, 0.5)
    standing = Standing(run)
    monkeypatch.setattr(RunFolder, "last", lambda *_: pytest.fail("the file is read again"))
    tell_losses(run, [4, 5])
    tell_validation(run, 6, 0.6)
    standing.update()
    assert (standing.step, standing.steps) == (6, 10)
    assert standing.figure is not None
    assert standing.figure.value == 0.6


def test_a_run_that_took_the_place_of_another_is_read_anew(runs_dir: Path) -> None:
    run = fake_run(runs_dir, "a", done=8, end="stopped")
    survey = Survey()
    assert survey.look(str(run.path), never).rows[0].step == 8
    shutil.rmtree(run.path)
    fake_run(runs_dir, "a", done=2, end="stopped")
    look = survey.look(str(run.path), never)
    assert look.rows[0].step == 2
    assert look.detail is not None
    assert len(look.detail.curves[0].steps) == 2
