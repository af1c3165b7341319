"""What the Train page does to runs, through the command line; no Qt, nothing that waits for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.jobs import job as jobs
from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.settings import load_settings, save_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_virtual_ihc.jobs.control import Priority

LOG_LINES = 60


def start(words: Sequence[str], out: Path) -> Path:
    """Start ``virtual-ihc`` with ``words`` as a job on the new run folder ``out``.

    A folder outside the runs folder is noted in the settings, so that it is found again. The
    process has the low priority of the thread that calls this, so that the window goes first.

    Raises
    ------
    UsageError
        If ``out`` holds something already.
    JobError
        If the process cannot be started.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} holds something already; choose another name for the run.")
    jobs.start(command_line(words), out)
    _remember(out)
    return out


def _remember(out: Path) -> None:
    settings = load_settings()
    if out.parent != settings.runs_dir and out not in settings.other_runs:
        save_settings(settings.model_copy(update={"other_runs": (*settings.other_runs, out)}))


def act(run: Path, action: str) -> None:
    """Pause, continue, stop or resume a run; to stop may take half a minute."""
    job = jobs.Job(RunFolder(run))
    if action == "pause":
        job.pause()
    elif action == "continue":
        job.resume()
    elif action == "stop":
        job.stop()
    elif action == "resume":
        jobs.start(command_line(["resume", str(run)]), run)
    else:
        raise UsageError(f"Nothing called {action!r} can be done to a run.")


def set_priority(run: Path, priority: Priority) -> None:
    """Say who goes first where this run and a window share a device."""
    RunFolder(run).set_priority(priority)


def log_of(run: Path) -> str:
    """Return the last lines that the process of a run printed."""
    return jobs.Job(RunFolder(run)).log_tail(LOG_LINES)


def command_line(words: Sequence[str]) -> list[str]:
    """Return the words that start our command line with this Python, wherever it is called."""
    return [sys.executable, "-P", "-m", "napari_virtual_ihc.cli", *words]
