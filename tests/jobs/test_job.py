from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.jobs import job as jobs
from napari_virtual_ihc.jobs.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLITE = """
import signal, sys, time
from napari_virtual_ihc.jobs.run_folder import RunFolder
run = RunFolder.create(sys.argv[1], {"kind": "test"}, "test")
run.claim()
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
run.append_event({"event": "started", "step": 0})
print("hello", flush=True)
while not ended:
    time.sleep(0.01)
run.append_event({"event": "stopped"})
"""
STUBBORN = POLITE.replace("while not ended", "while True")


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def begin(path: Path, script: str) -> jobs.Job:
    job = jobs.start([sys.executable, "-c", script, str(path)], path)
    until(lambda: "hello" in job.log_tail())
    return job


def test_a_job_runs_detached_and_stops_when_asked(tmp_path: Path) -> None:
    job = begin(tmp_path / "run", POLITE)
    owner = job.run.process()
    assert owner is not None
    assert job.state == "running"
    assert os.getsid(owner.pid) != os.getsid(0)
    job.stop()
    assert not job.alive()
    assert job.state == "stopped"


def test_a_job_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    job = begin(tmp_path / "run", STUBBORN)
    job.stop(grace_s=0.2)
    assert not job.alive()
    assert job.state == "stopped"


def test_a_killed_job_is_lost_and_found_again(tmp_path: Path) -> None:
    job = begin(tmp_path / "run", POLITE)
    owner = job.run.process()
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    until(lambda: not job.alive())
    (found,) = jobs.find(tmp_path)
    assert found.state == "lost"


def test_a_second_job_on_a_living_run_is_refused(tmp_path: Path) -> None:
    job = begin(tmp_path / "run", POLITE)
    with pytest.raises(JobError, match="already being worked on"):
        jobs.start([sys.executable, "-c", ""], tmp_path / "run")
    with pytest.raises(JobError, match="is being worked on by process"):
        RunFolder.open(tmp_path / "run").claim()
    job.stop()


def test_what_a_launcher_starts_takes_the_run_over(tmp_path: Path) -> None:
    launcher = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    argv = [sys.executable, "-c", launcher, POLITE, str(tmp_path / "run")]
    job = jobs.start(argv, tmp_path / "run")
    started_first = job.run.process()
    until(lambda: "hello" in job.log_tail())
    owner = job.run.process()
    assert owner is not None
    assert started_first is not None
    assert owner.pid != started_first.pid
    assert psutil.Process(owner.pid).ppid() == started_first.pid
    job.stop()
    until(lambda: not started_first.alive())
    assert job.state == "stopped"


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no-such-program"):
        jobs.start(["no-such-program"], tmp_path / "run")


def test_a_job_that_died_before_its_first_word_is_lost_with_its_log(tmp_path: Path) -> None:
    job = jobs.start([sys.executable, "-c", "import no_such_module"], tmp_path / "run")
    until(lambda: not job.alive())
    assert job.state == "lost"
    assert "no_such_module" in job.log_tail()
    assert [found.run.path for found in jobs.find(tmp_path)] == [job.run.path]


def test_no_runs_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert jobs.find(tmp_path / "nowhere") == []
