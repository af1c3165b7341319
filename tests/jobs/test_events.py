from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.jobs import courtesy, events
from napari_virtual_ihc.jobs.control import Control
from napari_virtual_ihc.jobs.process import ProcessIdentity
from napari_virtual_ihc.jobs.progress import Progress, progress_of
from napari_virtual_ihc.jobs.run_folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"kind": "test"}, "test")


def test_events_are_read_from_the_end_in_blocks(run: RunFolder) -> None:
    for step in range(3000):
        run.append_event({"event": "losses", "step": step, "note": "ä" * (step % 90)})
    forward = [event["step"] for event in run.events()]
    assert [event["step"] for event in run.newest_first()] == forward[::-1]
    with run.events_file.open("ab") as file:
        file.write(b'{"event": "losses", "st')
    newest = run.last("losses")
    assert newest is not None
    assert newest["step"] == 2999
    assert run.last("finished") is None


def test_a_word_in_another_field_is_no_kind(run: RunFolder) -> None:
    run.append_event({"event": "started", "step": 0})
    run.append_event({"event": "told", "inner": {"event": "started"}})
    assert events.newest(run.events_file, "started") == next(run.events())


def test_wish_and_priority_do_not_overwrite_each_other(run: RunFolder) -> None:
    assert run.control() == Control("run", None)
    run.set_priority("viewer")
    run.set_wish("pause")
    assert run.control() == Control("pause", "viewer")


def timed(run: RunFolder, monkeypatch: pytest.MonkeyPatch, seconds: float, *kinds: str) -> None:
    clock = time.time()
    for step, kind in enumerate(kinds):
        clock += seconds
        monkeypatch.setattr(time, "time", lambda now=clock: now)
        run.append_event({"event": kind, "step": step, "steps": 100})


def test_the_time_left_follows_from_the_pace_since_the_last_break(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.claim()
    timed(run, monkeypatch, 7.0, "started", "losses", "paused", "continued")
    assert progress_of(run) == Progress(2, 100, None)
    timed(run, monkeypatch, 2.0, *["losses"] * 11)
    assert progress_of(run) == Progress(11, 100, pytest.approx(89 * 2.0))
    me = ProcessIdentity.current()
    ProcessIdentity(me.pid, me.started - 100.0, me.host).write(run.process_file)
    assert progress_of(run).seconds_left is None


def test_a_run_that_has_not_begun_knows_no_end(run: RunFolder) -> None:
    assert progress_of(run) == Progress(0, None, None)


def other_process(party: courtesy.Party, device: str, seconds: float) -> None:
    """Say that somebody else is busy."""
    courtesy.say_busy(party, device, seconds)
    for file in courtesy._folder().glob(f"{party}.{device}.*.{os.getpid()}"):
        file.rename(file.with_suffix(".1"))


def test_others_are_seen_by_party_and_device_until_their_time_is_over() -> None:
    assert not courtesy.busy("viewer", "cuda-0")
    courtesy.say_busy("viewer", "cuda-0", 60)
    assert not courtesy.busy("viewer", "cuda-0"), "a process is not in its own way"
    other_process("viewer", "cuda-0", 60)
    assert courtesy.busy("viewer", "cuda-0")
    assert not courtesy.busy("viewer", "cuda-1")
    assert not courtesy.busy("training", "cuda-0")
    other_process("viewer", "cuda-0", 0)
    assert not courtesy.busy("viewer", "cuda-0")


def test_long_forgotten_files_are_swept_away() -> None:
    other_process("viewer", "cpu-0", -7200)
    assert not courtesy.busy("viewer", "cpu-0")
    assert list(courtesy._folder().iterdir()) == []


def test_waiting_ends_with_the_other_the_limit_or_a_call() -> None:
    other_process("viewer", "cpu-0", 0.3)
    assert 0.1 < courtesy.wait_while_busy("viewer", "cpu-0", 20, lambda: False) < 5
    other_process("viewer", "cpu-0", 60)
    assert 0.2 <= courtesy.wait_while_busy("viewer", "cpu-0", 0.2, lambda: False) < 5
    assert courtesy.wait_while_busy("viewer", "cpu-0", 20, lambda: True) < 5
