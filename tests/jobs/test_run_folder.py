from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.jobs.process import ProcessIdentity
from napari_virtual_ihc.jobs.run_folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"kind": "test"}, "test")


def test_folder_is_private_and_says_what_it_is(run: RunFolder) -> None:
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    facts = RunFolder.open(run.path).facts()
    assert facts["kind"] == "test"
    assert {"schema", "command", "version"} <= facts.keys()


def test_a_run_is_not_overwritten(run: RunFolder) -> None:
    with pytest.raises(JobError, match="already holds a run"):
        RunFolder.create(run.path, {}, "test")


def test_a_folder_without_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"no run\.json"):
        RunFolder.open(tmp_path)


def test_a_torn_line_costs_only_itself(run: RunFolder) -> None:
    run.append_event({"event": "losses", "step": 0, "losses": {"a": 1.0}})
    with run.events_file.open("ab") as file:
        file.write(b'{"event": "losses", "st')
    assert [event["step"] for event in run.events()] == [0]
    run.append_event({"event": "losses", "step": 1, "losses": {"a": 2.0}})
    assert [event["step"] for event in run.events()] == [0, 1]


def test_events_are_followed_while_written(run: RunFolder) -> None:
    run.append_event({"event": "a"})
    first, offset = run.events_since(0)
    with run.events_file.open("ab") as file:
        file.write(b'{"event": "b"')
    none, same = run.events_since(offset)
    with run.events_file.open("ab") as file:
        file.write(b"}\n")
    second, _ = run.events_since(same)
    assert [e["event"] for e in first] == ["a"]
    assert none == []
    assert same == offset
    assert [e["event"] for e in second] == ["b"]


def test_losses_repeated_after_a_resume_replace_the_first(run: RunFolder) -> None:
    run.append_event({"event": "started", "step": 0})
    for step in range(4):
        run.append_event({"event": "losses", "step": step, "losses": {"a": step}})
    run.append_event({"event": "started", "step": 2})
    run.append_event({"event": "losses", "step": 2, "losses": {"a": 20}})
    assert run.losses() == {0: {"a": 0}, 1: {"a": 1}, 2: {"a": 20}}


@pytest.mark.parametrize("end", ["finished", "failed", "stopped"])
def test_state_of_an_ended_run_is_its_last_word(run: RunFolder, end: str) -> None:
    run.append_event({"event": "started", "step": 0})
    run.append_event({"event": end})
    assert run.state() == end


def test_state_of_a_run_whose_process_vanished_is_lost(run: RunFolder) -> None:
    me = ProcessIdentity.current()
    ProcessIdentity(me.pid, me.started - 100.0, me.host).write(run.process_file)
    run.append_event({"event": "started", "step": 0})
    assert run.state() == "lost"


def test_state_of_a_living_run(run: RunFolder) -> None:
    run.claim()
    run.append_event({"event": "started", "step": 0})
    assert run.state() == "running"
    run.append_event({"event": "paused", "step": 3})
    assert run.state() == "paused"
    run.append_event({"event": "continued", "step": 3})
    assert run.state() == "running"


def test_an_unknown_wish_is_refused_by_name(run: RunFolder) -> None:
    run.set_wish("pause")
    assert run.wish() == "pause"
    run.control_file.write_text(run.control_file.read_text().replace('"pause"', '"dance"'))
    with pytest.raises(JobError, match="dance"):
        run.wish()


def test_a_run_that_failed_before_its_first_step_gives_its_name_back(run: RunFolder) -> None:
    run.append_event({"event": "failed", "message": "The crop is too large."})
    again = RunFolder.create(run.path, {"kind": "corrected"}, "test")
    assert again.facts()["kind"] == "corrected"
    assert list(again.events()) == []
    again.append_event({"event": "started", "step": 0})
    again.append_event({"event": "failed", "message": "NaN"})
    with pytest.raises(JobError, match="already holds a run"):
        RunFolder.create(run.path, {}, "test")
