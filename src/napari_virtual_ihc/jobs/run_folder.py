"""The run folder: all that a job and its watchers share, whole after a crash of either."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from napari_virtual_ihc.errors import JobError
from napari_virtual_ihc.files import read_json, write_json
from napari_virtual_ihc.jobs.process import ProcessIdentity
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "virtual-ihc/run/1"
CONTROL_SCHEMA = "virtual-ihc/run-control/1"
State = Literal["running", "paused", "stopped", "finished", "failed", "lost"]
Wish = Literal["run", "pause", "stop"]
LIFECYCLE = ("started", "paused", "continued", "stopped", "finished", "failed")
_ENDS: tuple[State, ...] = ("stopped", "finished", "failed")
_TAIL_BYTES = 1 << 16


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
        if run.facts_file.exists():
            raise JobError(f"{run.path} already holds a run; resume it or name another folder.")
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

    def facts(self) -> dict[str, Any]:
        """Return the content of ``run.json``."""
        return read_json(self.facts_file, schema=SCHEMA)

    def append_event(self, event: dict[str, Any]) -> None:
        """Append one event (it gets a ``time``, seconds since the epoch) as one whole line.

        A line torn by an earlier crash is closed first, so that it costs no other line.
        """
        line = json.dumps({"time": time.time()} | event, ensure_ascii=False) + "\n"
        prefix = "" if self._ends_with_newline() else "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        handle = os.open(self.events_file, flags, 0o600)
        try:
            os.write(handle, (prefix + line).encode())
        finally:
            os.close(handle)

    def _ends_with_newline(self) -> bool:
        try:
            with self.events_file.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) == b"\n"
        except OSError:
            return True

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield all whole events, oldest first; torn lines are passed over."""
        yield from self.events_since(0)[0]

    def events_since(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Return the whole events behind byte ``offset``, and the offset to ask from next."""
        if not self.events_file.exists():
            return [], 0
        with self.events_file.open("rb") as file:
            file.seek(offset)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        return list(_parse(data[:whole])), offset + whole

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
        return next((e for e in reversed(list(self.events())) if e["event"] == kind), None)

    def last_lifecycle_event(self) -> dict[str, Any] | None:
        """Return the newest event that tells of the run's life, None where there is none."""
        if not self.events_file.exists():
            return None
        with self.events_file.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = list(_parse(file.read()))
        recent = [event for event in tail if event["event"] in LIFECYCLE]
        return recent[-1] if recent else None

    def wish(self) -> Wish:
        """Return what the owner last wished, ``run`` where nothing was said."""
        if not self.control_file.exists():
            return "run"
        said = read_json(self.control_file, schema=CONTROL_SCHEMA)["wish"]
        known: dict[str, Wish] = {wish: wish for wish in get_args(Wish)}
        if said not in known:
            raise JobError(f"{self.control_file}, field 'wish': {said!r} is not known.")
        return known[said]

    def set_wish(self, wish: Wish) -> None:
        """Tell the job to go on, to pause or to stop after the present step."""
        write_json(self.control_file, stamp(CONTROL_SCHEMA, "job") | {"wish": wish})

    def process(self) -> ProcessIdentity | None:
        """Return the process that works, or worked last, on the run."""
        return ProcessIdentity.read(self.process_file)

    def claim(self) -> None:
        """Declare the calling process as the one that works on the run.

        Raises
        ------
        JobError
            If another living process works on it.
        """
        owner, me = self.process(), ProcessIdentity.current()
        if owner is not None and owner.pid != me.pid and owner.alive():
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


def _parse(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            yield event
