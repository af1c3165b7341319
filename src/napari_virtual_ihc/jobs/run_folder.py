"""The run folder: all that a job and its watchers share, whole after a crash of either."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.files import read_json, write_json
from napari_virtual_ihc.jobs import events
from napari_virtual_ihc.jobs.control import Control, Priority, Wish
from napari_virtual_ihc.jobs.process import ProcessIdentity
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "virtual-ihc/run/1"
State = Literal["running", "paused", "stopped", "finished", "failed", "lost"]
LIFECYCLE = ("started", "paused", "continued", "stopped", "finished", "failed")
_RECENT = 200
_ENDS: tuple[State, ...] = ("stopped", "finished", "failed")


class RunFolder:
    """``run.json``, ``events.jsonl``, ``samples/``, ``checkpoints/`` and ``model/`` of one run.

    The folder is private to its owner (mode 0700), for its events may name files.

    Parameters
    ----------
    path
        The folder; it need not exist yet, see :meth:`create` and :meth:`open`.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    @classmethod
    def create(cls, path: Path | str, facts: dict[str, Any], command: str) -> RunFolder:
        """Make a run folder and write its ``run.json``.

        Parameters
        ----------
        path
            New or empty folder (what :func:`napari_virtual_ihc.jobs.job.start` put there may stay).
        facts
            What the run is: kind, settings, data.
        command
            The command that does the work.

        Raises
        ------
        JobError
            If ``path`` already holds a run.
        """
        run = cls.prepare(path)
        if run.facts_file.exists() and not run.never_started():
            raise JobError(f"{run.path} already holds a run; resume it or name another folder.")
        run.events_file.unlink(missing_ok=True)
        for folder in (run.samples_dir, run.checkpoints_dir):
            folder.mkdir(exist_ok=True)
        write_json(run.facts_file, stamp(SCHEMA, command) | {"created": time.time()} | facts)
        return run

    @classmethod
    def prepare(cls, path: Path | str) -> RunFolder:
        """Make the folder, private to its owner, without declaring a run in it yet."""
        run = cls(path)
        run.path.mkdir(parents=True, exist_ok=True)
        run.path.chmod(0o700)
        return run

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Open an existing run.

        Raises
        ------
        JobError
            If ``path`` holds no ``run.json``.
        """
        run = cls(path)
        if not run.facts_file.is_file():
            raise JobError(f"{run.path} is not a run folder: it holds no run.json.")
        return run

    @property
    def facts_file(self) -> Path:
        """``run.json``: what the run is."""
        return self.path / "run.json"

    @property
    def events_file(self) -> Path:
        """``events.jsonl``: what happened, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def control_file(self) -> Path:
        """``control.json``: what the owner wishes the job to do."""
        return self.path / "control.json"

    @property
    def process_file(self) -> Path:
        """``process.json``: which process does the work."""
        return self.path / "process.json"

    @property
    def log_file(self) -> Path:
        """``log.txt``: what the process printed."""
        return self.path / "log.txt"

    @property
    def samples_dir(self) -> Path:
        """Pictures of the fixed validation tiles."""
        return self.path / "samples"

    @property
    def checkpoints_dir(self) -> Path:
        """Whole states from which the run goes on."""
        return self.path / "checkpoints"

    @property
    def model_dir(self) -> Path:
        """The finished model folder."""
        return self.path / "model"

    def never_started(self) -> bool:
        """Whether the run failed before its first step, so that a corrected one may replace it."""
        return self.last("failed") is not None and self.last("started") is None

    def facts(self) -> dict[str, Any]:
        """Return the content of ``run.json``."""
        return read_json(self.facts_file, schema=SCHEMA)

    def append_event(self, event: dict[str, Any]) -> None:
        """Append one event; see :func:`napari_virtual_ihc.jobs.events.append`."""
        events.append(self.events_file, event)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield all whole events, oldest first; torn lines are passed over."""
        yield from self.events_since(0)[0]

    def events_since(self, offset: int, limit: int = -1) -> tuple[list[dict[str, Any]], int]:
        """Return the whole events behind byte ``offset``, and the offset to ask from next.

        At most ``limit`` bytes are read, if given; it must be longer than any line.
        """
        return events.since(self.events_file, offset, limit)

    def newest_first(self) -> Iterator[dict[str, Any]]:
        """Yield the whole events, newest first; the file is read from its end."""
        yield from events.newest_first(self.events_file)

    def losses(self) -> dict[int, dict[str, float]]:
        """Return the loss terms by step, a resumed run's repeats replacing what they repeat."""
        table: dict[int, dict[str, float]] = {}
        for event in self.events():
            if event["event"] == "started":
                table = {step: row for step, row in table.items() if step < event["step"]}
            elif event["event"] == "losses":
                table[event["step"]] = event["losses"]
        return table

    def last(self, kind: str) -> dict[str, Any] | None:
        """Return the newest event of a kind, None where there is none."""
        return events.newest(self.events_file, kind)

    def last_lifecycle_event(self) -> dict[str, Any] | None:
        """Return the newest event that tells of the run's life, None if none is among the last."""
        recent = islice(self.newest_first(), _RECENT)
        return next((event for event in recent if event["event"] in LIFECYCLE), None)

    def control(self) -> Control:
        """Return what the owner last said, the defaults where nothing was said."""
        return Control.read(self.control_file)

    def wish(self) -> Wish:
        """Return what the owner last wished, ``run`` where nothing was said."""
        return self.control().wish

    def set_wish(self, wish: Wish) -> None:
        """Tell the job to go on, to pause or to stop after the present step."""
        replace(self.control(), wish=wish).write(self.control_file)

    def set_priority(self, priority: Priority) -> None:
        """Say who goes first where the training and a window share a device."""
        replace(self.control(), priority=priority).write(self.control_file)

    def process(self) -> ProcessIdentity | None:
        """Return the process that works, or worked last, on the run."""
        return ProcessIdentity.read(self.process_file)

    def claim(self) -> None:
        """Declare the calling process as the one that works on the run.

        It takes over from its parent, which may be a launcher of several processes.

        Raises
        ------
        JobError
            If another living process works on it.
        """
        owner, me = self.process(), ProcessIdentity.current()
        ours = (me.pid, os.getppid())
        if owner is not None and owner.pid not in ours and owner.alive():
            raise JobError(f"{self.path} is being worked on by process {owner.pid}; stop it first.")
        me.write(self.process_file)

    def state(self) -> State:
        """Derive the run's state from its process, its last events and the owner's wish."""
        owner, last = self.process(), self.last_lifecycle_event()
        ends: dict[str, State] = {end: end for end in _ENDS}
        ended = ends.get(last["event"]) if last else None
        if owner is not None and owner.alive():
            if last and last["time"] > owner.started:
                return ended or ("paused" if last["event"] == "paused" else "running")
            return "running"
        return ended or ("stopped" if self.wish() == "stop" else "lost")
