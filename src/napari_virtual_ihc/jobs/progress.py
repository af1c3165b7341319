"""How far a run is, and how long it will take, from what its events tell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_virtual_ihc.jobs.run_folder import RunFolder

_STEPS = 500
_BREAKS = ("started", "paused", "continued", "stopped", "failed")


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes
    ----------
    step, steps
        Steps done, and in all (None where the run has not begun).
    seconds_left
        At the pace of the last steps, validation and checkpoints counted; None where that cannot
        be told or the run is not running.
    """

    step: int
    steps: int | None
    seconds_left: float | None


def progress_of(run: RunFolder) -> Progress:
    """Return the progress of a training."""
    last, began = run.last("losses"), run.last("started")
    step = last["step"] + 1 if last else 0
    if began is None:
        return Progress(step, None, None)
    steps = int(began["steps"])
    pace = seconds_per_step(run) if run.state() == "running" else None
    return Progress(step, steps, None if pace is None else (steps - step) * pace)


def seconds_per_step(run: RunFolder) -> float | None:
    """Return the mean time of a step over the last ones, None where fewer than two are told."""
    recent = list(islice(_unbroken(run), _STEPS))
    if len(recent) < 2 or recent[0]["step"] <= recent[-1]["step"]:
        return None
    seconds: float = recent[0]["time"] - recent[-1]["time"]
    steps: int = recent[0]["step"] - recent[-1]["step"]
    return seconds / steps


def _unbroken(run: RunFolder) -> Iterator[dict[str, Any]]:
    """Yield the newest loss events, back to where the run last began or paused."""
    for event in run.newest_first():
        if event["event"] in _BREAKS:
            return
        if event["event"] == "losses":
            yield event
