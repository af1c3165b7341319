"""What there is to know of the runs on disk; no Qt, called away from the window's thread."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.jobs.job import Job, find_all
from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.widgets.train.curves import Curves
from napari_virtual_ihc.widgets.train.model import RunDetail, RunRow
from napari_virtual_ihc.widgets.train.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_virtual_ihc.jobs.process import ProcessIdentity

_LIVE = ("running", "paused")
_SAID = "virtual-ihc: "
_LOST = "Its process ended without a word; resume goes on from the last checkpoint."


class Look(NamedTuple):
    """What one look found."""

    rows: tuple[RunRow, ...]
    detail: RunDetail | None


class Survey:
    """Looks at all runs, again and again; what cannot have changed is not read again."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, ...], RunRow]] = {}
        self._standings: dict[Path, tuple[int, Standing]] = {}
        self._curves: tuple[int, Curves] | None = None

    def look(self, chosen: str, cancelled: Callable[[], bool]) -> Look:
        """Return all runs, newest first, and more about the chosen one."""
        with self._turn:
            rows = tuple(self._row(job.run) for job in find_all())
            return Look(rows, self._detail(Path(chosen), cancelled) if chosen else None)

    def _row(self, run: RunFolder) -> RunRow:
        stamp, known = _stamp(run), self._known.get(run.path)
        if known is not None and known[0] == stamp and known[1].state not in _LIVE:
            return known[1]
        row = row_of(run, self._standing(run))
        self._known[run.path] = (stamp, row)
        return row

    def _standing(self, run: RunFolder) -> Standing:
        """Return how far a run is; begun anew where another run has taken its place."""
        born, known = _changed(run.facts_file), self._standings.get(run.path)
        if known is None or known[0] != born:
            known = self._standings[run.path] = (born, Standing(run))
        return known[1]

    def _curves_of(self, run: RunFolder) -> Curves:
        born, known = _changed(run.facts_file), self._curves
        if known is None or known[0] != born or known[1].run.path != run.path:
            known = self._curves = (born, Curves(run))
        return known[1]

    def _detail(self, path: Path, cancelled: Callable[[], bool]) -> RunDetail | None:
        if not path.is_dir():
            return None
        run = RunFolder(path)
        curves = self._curves_of(run)
        return RunDetail(
            path,
            curves.read(cancelled),
            tuple(sorted(run.samples_dir.glob("step-*.png"))),
            sum(_sizes(path)),
            _memory(run.process()),
            curves.runs_on,
            run.control().priority or _settings(run).get("gpu_priority", "training"),
        )


def row_of(run: RunFolder, standing: Standing) -> RunRow:
    """Read what the list shows of a run; ``standing`` is brought up to date."""
    settings = _settings(run)
    method, marker = settings.get("method", ""), settings.get("marker", "")
    try:
        state = run.state()
        standing.update()
    except VirtualIhcError as error:
        return RunRow(run.path, method, marker, "failed", 0, None, None, None, str(error), False)
    sentence = _sentence(run) if state in ("failed", "lost") else ""
    refused = state == "lost" and sentence != _LOST
    ended = state in ("stopped", "failed", "lost") and run.facts_file.is_file()
    return RunRow(
        run.path,
        method,
        marker,
        "failed" if refused else state,
        standing.step,
        standing.steps,
        standing.seconds_left(state),
        standing.figure,
        sentence,
        ended,
    )


def _stamp(run: RunFolder) -> tuple[int, ...]:
    """Return what changes when anything happens to a run."""
    files = (run.facts_file, run.events_file, run.control_file, run.process_file, run.log_file)
    return tuple(_changed(file) for file in files)


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _settings(run: RunFolder) -> dict[str, Any]:
    try:
        settings = run.facts().get("settings")
    except VirtualIhcError:
        return {}
    return settings if isinstance(settings, dict) else {}


def _sentence(run: RunFolder) -> str:
    """Return why a run ended: as it told, else as the command said, else that it said nothing."""
    last = run.last_lifecycle_event()
    if last is not None and last["event"] == "failed":
        return str(last["message"])
    said = Job(run).log_tail(1)
    return said.removeprefix(_SAID) if said.startswith(_SAID) else _LOST


def _sizes(folder: Path) -> Iterator[int]:
    """Yield the sizes of all files below ``folder``; what goes meanwhile is passed over."""
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.stat(os.path.join(place, name)).st_size
            except OSError:
                continue


def _memory(owner: ProcessIdentity | None) -> int | None:
    if owner is None or not owner.alive():
        return None
    try:
        process = psutil.Process(owner.pid)
        family = (process, *process.children(recursive=True))
        return sum(int(one.memory_info().rss) for one in family)
    except psutil.Error:
        return None
