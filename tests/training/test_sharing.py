"""A training and a window on one device: who goes first is set, and can be changed meanwhile."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from test_loop import new_run

from napari_virtual_ihc.jobs import courtesy
from napari_virtual_ihc.training.loop import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.training.settings import TrainingSettings

DEVICE = "cpu-0"


def a_window(seconds: float) -> None:
    courtesy.say_busy("viewer", DEVICE, seconds)
    for file in courtesy._folder().glob(f"viewer.{DEVICE}.*.{os.getpid()}"):
        file.rename(file.with_suffix(".1"))


def claims() -> list[float]:
    """Until when trainings say that they use the device, in seconds from now."""
    files = courtesy._folder().glob(f"training.{DEVICE}.*")
    return [file.stat().st_mtime - time.time() for file in files]


def test_a_window_that_goes_first_is_waited_for(
    tmp_path: Path, tiny: Callable[..., TrainingSettings]
) -> None:
    settings = tiny(steps=1, gpu_priority="viewer")
    run = new_run(tmp_path / "run", settings)
    trainer = Trainer(run, settings)
    seen: list[list[float]] = []
    a_window(2.0)
    until = time.time() + 2.0
    trainer.train(lambda done, total: seen.append(claims()))
    step = run.last("losses")
    assert step is not None
    assert step["time"] > until
    assert max(seen[0]) <= 0


def test_a_training_that_goes_first_claims_the_device_until_it_ends(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(steps=1)
    trainer = Trainer(new_run(tmp_path / "run", settings), settings)
    monkeypatch.setattr(courtesy, "wait_while_busy", lambda *_: pytest.fail("it waited"))
    seen: list[list[float]] = []
    a_window(60)
    trainer.train(lambda done, total: seen.append(claims()))
    assert max(seen[0]) > 10
    assert max(claims()) <= 0


def test_the_control_file_has_the_last_word(
    tmp_path: Path, tiny: Callable[..., TrainingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny(steps=3)
    run = new_run(tmp_path / "run", settings)
    waits: list[str] = []
    monkeypatch.setattr(courtesy, "wait_while_busy", lambda party, *_: waits.append(party))
    trainer = Trainer(run, settings)
    trainer.train(lambda done, total: run.set_priority("viewer"))
    assert waits == ["viewer", "viewer"]
