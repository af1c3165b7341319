"""Training from the command line: killed, resumed, listed; wrong use told in one sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.cli import train as commands
from napari_virtual_ihc.cli.methods import methods
from napari_virtual_ihc.errors import DataError, UsageError
from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.models.folder import load_model

START = "from napari_virtual_ihc.cli import main; main()"
TINY = (
    "ngf=4",
    "ndf=4",
    "n_blocks=1",
    "nce_layers=[0,4,8]",
    "num_patches=16",
    "netf_width=8",
    "crop_size=36",
    "batch_size=1",
)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        base = rng.integers(90, 200, (12, 12, 3))
        picture = np.kron(base, np.ones((8, 8, 1))).astype(np.uint8)
        for side, shift in (("HE", 0), ("Ki-67", 40)):
            folder = tmp_path / "pairs" / side
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture + shift).save(folder / f"{name}.png")
    return tmp_path / "pairs"


TINY_CYCLES = ("ngf=4", "ndf=4", "n_blocks=1", "crop_size=36", "batch_size=1", "pool_size=3")
MIXED = ("--precision", "bf16-mixed", "--set", "ema_decay=0.9")


def words(pairs: Path, out: Path, *more: str, method: str = "asp") -> list[str]:
    chosen = TINY if method == "asp" else TINY_CYCLES
    switches = [word for switch in chosen for word in ("--set", switch)]
    fixed = ["--method", method, "--preset", "smoke", "--mpp", "0.5", "--marker", "Ki-67"]
    place = ["--data", str(pairs), "--out", str(out), "--device", "cpu", "--json"]
    return ["train", *fixed, *place, *switches, *more]


def virtual_ihc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *arguments], capture_output=True, text=True, check=False
    )


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "more"), [("asp", ()), ("asp", MIXED), ("cyclegan", MIXED)], ids=str
)
def test_kill_9_then_resume_gives_the_losses_of_an_unbroken_run(
    tmp_path: Path, pairs: Path, method: str, more: tuple[str, ...]
) -> None:
    """Also with a memory of former pictures, averaged weights and mixed precision."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    more = ("--steps", "60", *more)
    summary = said(virtual_ihc(*words(pairs, whole, *more, method=method)))
    assert (summary["state"], summary["step"]) == ("finished", 60)
    child = subprocess.Popen(
        [sys.executable, "-c", START, *words(pairs, broken, *more, method=method)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(RunFolder(broken).losses()) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert RunFolder(broken).state() == "lost"
    summary = said(virtual_ihc("resume", str(broken), "--json"))
    assert summary["state"] == "finished"
    assert RunFolder(broken).losses() == RunFolder(whole).losses()
    card = load_model(broken / "model").card
    assert (card.marker, card.mpp_in) == ("Ki-67", 0.5)
    ours, theirs = (load_model(path / "model").weights_hash for path in (broken, whole))
    assert ours == theirs
    listed = said(virtual_ihc("runs", str(tmp_path), "--json"))["runs"]
    assert {Path(run["run"]).name: run["state"] for run in listed} == {
        "whole": "finished",
        "broken": "finished",
    }


@pytest.mark.slow
def test_two_processes_print_one_json_object(tmp_path: Path, pairs: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = ["--nproc-per-node", "2", "-m", "napari_virtual_ihc.cli"]
    done = subprocess.run(
        [*launcher, *command, *words(pairs, tmp_path / "run", "--steps", "3")],
        capture_output=True,
        text=True,
        check=False,
    )
    summary = said(done)
    assert (summary["command"], summary["state"], summary["step"]) == ("train", "finished", 3)
    recipe = load_model(tmp_path / "run" / "model").card.recipe
    assert isinstance(recipe, dict)
    assert recipe["processes"] == 2


def train(pairs: Path, out: Path, **more: Any) -> None:
    basis: dict[str, Any] = {
        "method": "asp",
        "preset": "smoke",
        "marker": "Ki-67",
        "steps": 2,
        "set_": list(TINY),
    }
    commands.train(pairs, 0.5, out, **(basis | more))


def test_training_prints_one_json_object(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(pairs, tmp_path / "run", as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["state"] == "finished"
    assert printed["step"] == 2
    assert set(printed["losses"]) == {"D", "GAN", "NCE", "NCE_Y", "ASP", "GP", "G"}
    with pytest.raises(UsageError, match="is finished"):
        commands.resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"method": "magic"}, "Method 'magic' is unknown"),
        ({"preset": "best"}, "no preset 'best'"),
        ({"set_": ["lambda_gq=1"]}, "'lambda_gq' does not exist"),
        ({"set_": ["ngf=-1"]}, "field 'ngf'"),
        ({"precision": "fp32"}, "Setting 'precision'"),
        ({"precision": "16-mixed", "device": "cpu"}, "'16-mixed' needs a CUDA GPU"),
        ({"gpu_priority": "nobody"}, "Setting 'gpu_priority'"),
        ({"finish_with": "first"}, "Setting 'finish_with'"),
    ],
)
def test_wrong_use_is_told_before_anything_is_made(
    tmp_path: Path, pairs: Path, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        train(pairs, tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


def test_a_stopped_run_is_listed_and_resumed_with_other_words(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "run"
    train(pairs, run, steps=3, precision="32-true", registered=True)
    folder = RunFolder(run)
    finished = [event for event in folder.events() if event["event"] == "finished"]
    assert len(finished) == 1
    folder.append_event({"event": "stopped", "step": 3})
    capsys.readouterr()
    commands.runs(tmp_path / "runs", as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)["runs"]
    assert (listed["state"], listed["step"], listed["steps"]) == ("stopped", 3, 3)
    assert listed["seconds_left"] is None
    commands.resume(run, precision="bf16-mixed", finish_with="best", as_json=True)
    began = folder.last("started")
    assert began is not None
    assert (began["step"], began["precision"]) == (3, "bf16-mixed")
    folder.append_event({"event": "stopped", "step": 3})
    with pytest.raises(UsageError, match="Setting 'finish_with'"):
        commands.resume(run, finish_with="first")


def test_runs_say_how_long_they_will_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.create(tmp_path / "run", {"kind": "train"}, "train")
    run.claim()
    clock = time.time()
    for step in range(-1, 11):
        monkeypatch.setattr(time, "time", lambda now=clock + 60 * step: now)
        event = {"event": "losses", "step": step, "losses": {"G": 1.5}}
        run.append_event(event if step >= 0 else {"event": "started", "step": 0, "steps": 100})
    monkeypatch.setattr(time, "time", lambda: clock + 3600)
    figure = {"name": "dab_area_r", "value": 0.71234, "protocol": "in squares", "n": 3}
    run.append_event({"event": "validation", "step": 9, "figures": [figure]})
    commands.runs(tmp_path)
    told = capsys.readouterr().out
    assert "1:29:00" in told
    assert "dab_area_r 0.7123 (in squares)" in told
    commands.runs(tmp_path, as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)["runs"]
    assert listed["seconds_left"] == pytest.approx(89 * 60)
    assert listed["validation"] == [figure]


def test_methods_are_listed_with_what_they_train(capsys: pytest.CaptureFixture[str]) -> None:
    methods()
    told = capsys.readouterr().out
    assert "ASP (Li et al. 2023)" in told
    assert "FastCUT" in told
    methods(as_json=True)
    listed = json.loads(capsys.readouterr().out)["methods"]
    asp = next(entry for entry in listed if entry["name"] == "asp")
    assert asp["trains"] == "generator"
    assert {"paper", "smoke"} <= set(asp["presets"])


def test_every_switch_of_a_method_is_told_with_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    methods("asp", as_json=True)
    facts = json.loads(capsys.readouterr().out)
    fields = {field["name"]: field for field in facts["fields"]}
    assert all(field["description"] for field in fields.values())
    assert fields["lambda_gp"]["presets"]["paper"] == 10
    assert fields["augmentation.blur"]["presets"]["demo"] == 0.8
    assert facts["ablations"]["w/o GP"] == ["lambda_gp=0"]
    methods("asp")
    told = capsys.readouterr().out
    assert "augmentation.blur" in told
    assert "w/o GP\n    --set lambda_gp=0" in told
    with pytest.raises(UsageError, match="'magic' is unknown"):
        methods("magic")


def test_a_refused_training_can_be_corrected_under_its_name(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError):
        train(pairs, tmp_path / "run", set_=[*TINY, "crop_size=2048"])
    assert RunFolder.open(tmp_path / "run").state() == "failed"
    train(pairs, tmp_path / "run", checkpoint_steps=1, tissue="  ")
    folder = RunFolder(tmp_path / "run")
    assert folder.state() == "finished"
    assert [e["step"] for e in folder.events() if e["event"] == "checkpoint"][:2] == [1, 2]
    assert load_model(folder.model_dir).card.tissue == "unknown"
