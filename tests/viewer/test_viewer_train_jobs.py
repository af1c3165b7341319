"""What the Train page does to runs on disk, without a window."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from train_fakes import fake_run

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.jobs import job as jobs
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.widgets.train import jobs as train_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Sequence[str], Path]]:
    calls: list[Any] = []
    monkeypatch.setattr(jobs, "start", lambda argv, path: calls.append((argv, path)))
    return calls


def test_our_command_line_is_started_whatever_lies_around(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise RuntimeError('not this one')")
    words = train_jobs.command_line(["--version"])
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.strip()


def test_a_run_elsewhere_is_remembered(
    started: list[tuple[Sequence[str], Path]], private_home: Path, tmp_path: Path
) -> None:
    train_jobs.start(["train"], private_home / "runs" / "here")
    assert load_settings().other_runs == ()
    train_jobs.start(["train"], tmp_path / "elsewhere")
    assert load_settings().other_runs == (tmp_path / "elsewhere",)
    assert [path for _, path in started] == [private_home / "runs" / "here", tmp_path / "elsewhere"]
    assert started[0][0][-1] == "train"


def test_a_folder_that_holds_something_is_refused(
    started: list[tuple[Sequence[str], Path]], private_home: Path
) -> None:
    run = fake_run(private_home / "runs", "a")
    with pytest.raises(UsageError, match="holds something already"):
        train_jobs.start(["train"], run.path)
    assert not started


def test_resuming_starts_the_command_on_the_same_folder(
    started: list[tuple[Sequence[str], Path]], private_home: Path
) -> None:
    run = fake_run(private_home / "runs", "a")
    train_jobs.act(run.path, "resume")
    ((words, path),) = started
    assert list(words[-2:]) == ["resume", str(run.path)]
    assert path == run.path
    with pytest.raises(UsageError, match="'jump'"):
        train_jobs.act(run.path, "jump")


def test_a_refused_command_leaves_its_sentence_in_the_log(private_home: Path) -> None:
    out = private_home / "runs" / "refused"
    train_jobs.start(["train", "--data=/nowhere", "--mpp=0.5", f"--out={out}", "--method=x"], out)
    deadline = time.monotonic() + 60
    while "unknown" not in train_jobs.log_of(out):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert train_jobs.log_of(out).startswith("virtual-ihc: Method 'x' is unknown")
