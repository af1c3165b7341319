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
from napari_virtual_ihc.errors import UsageError
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


def words(pairs: Path, out: Path, *more: str) -> list[str]:
    switches = [word for switch in TINY for word in ("--set", switch)]
    fixed = ["--method", "asp", "--preset", "smoke", "--mpp", "0.5", "--marker", "Ki-67"]
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
def test_kill_9_then_resume_gives_the_losses_of_an_unbroken_run(
    tmp_path: Path, pairs: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    summary = said(virtual_ihc(*words(pairs, whole, "--steps", "60")))
    assert (summary["state"], summary["step"]) == ("finished", 60)
    child = subprocess.Popen(
        [sys.executable, "-c", START, *words(pairs, broken, "--steps", "60")],
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
    listed = said(virtual_ihc("runs", str(tmp_path), "--json"))["runs"]
    assert {Path(run["run"]).name: run["state"] for run in listed} == {
        "whole": "finished",
        "broken": "finished",
    }


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
    ],
)
def test_wrong_use_is_told_before_anything_is_made(
    tmp_path: Path, pairs: Path, wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        train(pairs, tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()
