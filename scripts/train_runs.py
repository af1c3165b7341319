"""Trainings as a user starts them: whole commands in processes of their own, resumable."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from napari_virtual_ihc.jobs.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START = [sys.executable, "-c", "from napari_virtual_ihc.cli import main; main()"]


def environment() -> dict[str, str]:
    """Return the environment of a training: its waiting threads take no core from others."""
    return os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}


def settings_words(fields: dict[str, object]) -> list[str]:
    """Return recipe fields as words of the command line."""
    return [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]


def train_or_resume(run: Path, words: Sequence[str]) -> None:
    """Train into ``run``, or go on where it was; nothing where it is finished."""
    given = ["train", *words, "--out", str(run)]
    if (run / "run.json").exists():
        if RunFolder.open(run).state() == "finished":
            return
        given = ["resume", str(run)]
    subprocess.run([*START, *given], check=True, env=environment())


def step_seconds(run: Path) -> float:
    """Return the seconds that the steps of a run took in all, pauses and validation aside."""
    return sum(
        float(event["seconds"])
        for event in RunFolder.open(run).events()
        if event["event"] == "losses"
    )
