"""Run folders as a training leaves them, and a job that trains nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_virtual_ihc.jobs import job as jobs
from napari_virtual_ihc.jobs.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROTOCOL = "Pearson r over squares of 32 µm"
IDLE = "import time; time.sleep(600)"


def fake_run(
    place: Path,
    name: str,
    steps: int = 10,
    done: int = 4,
    end: str = "",
    terms: Sequence[str] = ("D", "GAN"),
) -> RunFolder:
    """Write a run of ``done`` steps; ``end`` is its last lifecycle event, if any."""
    settings = {"method": "asp", "marker": "Ki-67"}
    run = RunFolder.create(place / name, {"kind": "train", "settings": settings}, "train")
    began = {"event": "started", "step": 0, "steps": steps, "device": "cpu"}
    run.append_event(began | {"precision": "32-true"})
    tell_losses(run, range(done), terms)
    if end:
        run.append_event({"event": end, "message": f"{name} could not go on."})
    return run


def tell_losses(run: RunFolder, steps: Sequence[int], terms: Sequence[str] = ("D", "GAN")) -> None:
    for step in steps:
        losses = {term: float(step + index) for index, term in enumerate(terms)}
        run.append_event({"event": "losses", "step": step, "epoch": 1, "losses": losses})


def tell_validation(run: RunFolder, step: int, value: float) -> None:
    figure = {"name": "dab_area_r", "value": value, "protocol": PROTOCOL, "n": 9}
    run.append_event({"event": "validation", "step": step, "figures": [figure]})


def write_sample(run: RunFolder, step: int, colour: int = 128) -> Path:
    file = run.samples_dir / f"step-{step:09d}.png"
    Image.fromarray(np.full((40, 120, 3), colour, np.uint8)).save(file)
    return file


def idle_job(run: RunFolder) -> jobs.Job:
    """Start a process that does nothing, as the one that works on ``run``."""
    job = jobs.start([sys.executable, "-c", IDLE], run.path)
    time.sleep(0.05)
    run.append_event({"event": "started", "step": 4, "steps": 10})
    return job
