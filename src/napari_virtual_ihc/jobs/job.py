"""A job: a child process in its own session, known only by its run folder."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.jobs.process import ProcessIdentity
from napari_virtual_ihc.jobs.run_folder import RunFolder, State
from napari_virtual_ihc.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_POLL_S = 0.05


@dataclass(frozen=True)
class Job:
    """A run and the process that works on it; any number of watchers may hold one.

    Attributes
    ----------
    run
        The folder that job and watchers share.
    """

    run: RunFolder

    @property
    def state(self) -> State:
        """The run's state, derived anew."""
        return self.run.state()

    def alive(self) -> bool:
        """Whether the job's process runs on this machine."""
        owner = self.run.process()
        return owner is not None and owner.alive()

    def pause(self) -> None:
        """Ask the job to wait after the present step."""
        self.run.set_wish("pause")

    def resume(self) -> None:
        """Ask a paused job to go on."""
        self.run.set_wish("run")

    def stop(self, grace_s: float = 30.0) -> None:
        """Ask the job to save and end (SIGTERM); kill it when ``grace_s`` seconds were not enough.

        Raises
        ------
        JobError
            If the job runs on another machine.
        """
        owner = self.run.process()
        if owner is not None and not owner.local:
            raise JobError(f"{self.run.path} is worked on by {owner.host}; stop it there.")
        self.run.set_wish("stop")
        if owner is not None and owner.alive():
            _end(owner, grace_s)

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines the process printed."""
        if not self.run.log_file.exists():
            return ""
        text = self.run.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def _end(owner: ProcessIdentity, grace_s: float) -> None:
    try:
        process = psutil.Process(owner.pid)
        process.terminate()
        if not _wait_for_end(owner, grace_s):
            process.kill()
            _wait_for_end(owner, grace_s)
    except psutil.NoSuchProcess:
        return


def _wait_for_end(owner: ProcessIdentity, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while owner.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def start(argv: Sequence[str], path: Path | str) -> Job:
    """Start ``argv`` as a job on the run folder ``path``; it outlives the caller.

    The child gets its own session, no standard input, and its output in ``log.txt``.

    Raises
    ------
    JobError
        If a living process works on the run, or the program cannot be started.
    """
    run = RunFolder.prepare(path)
    job = Job(run)
    if job.alive():
        raise JobError(f"{run.path} is already being worked on; stop it first.")
    run.set_wish("run")
    log = os.open(run.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        child = _spawn(argv, log)
    except OSError as error:
        raise JobError(f"{argv[0]} cannot be started: {error}.") from error
    finally:
        os.close(log)
    _remember(child, run)
    return job


def _spawn(argv: Sequence[str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _remember(child: subprocess.Popen[bytes], run: RunFolder) -> None:
    """Note the child in the run folder, and reap it at its end while the caller lives."""
    ProcessIdentity.of(child.pid).write(run.process_file)
    threading.Thread(target=child.wait, name=f"reaper-{child.pid}", daemon=True).start()


def find(runs_dir: Path) -> list[Job]:
    """Return the jobs whose run folders lie in ``runs_dir``, newest first."""
    if not runs_dir.is_dir():
        return []
    found = [RunFolder(folder) for folder in runs_dir.iterdir() if _is_run(RunFolder(folder))]
    return [Job(run) for run in sorted(found, key=_age)]


def find_all() -> list[Job]:
    """Return the jobs that the settings know: those of the runs folder, then those elsewhere."""
    settings = load_settings()
    elsewhere = [Job(RunFolder(path)) for path in settings.other_runs if path.is_dir()]
    return [*find(settings.runs_dir), *elsewhere]


def _is_run(run: RunFolder) -> bool:
    return run.facts_file.is_file() or run.process_file.is_file()


def _age(run: RunFolder) -> float:
    file = run.facts_file if run.facts_file.exists() else run.process_file
    return -file.stat().st_mtime
