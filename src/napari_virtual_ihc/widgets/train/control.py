"""What the Train page does to runs: start, watch, pause, stop, resume; no widgets in here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.widgets.train import jobs as train_jobs
from napari_virtual_ihc.widgets.train.form import command, run_folder
from napari_virtual_ihc.widgets.train.watch import Watch
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.jobs.control import Priority
    from napari_virtual_ihc.widgets.train.form import TrainForm
    from napari_virtual_ihc.widgets.train.model import TrainState
    from napari_virtual_ihc.widgets.train.survey import Look

T = TypeVar("T")
_DOING = {
    "pause": "Pausing after the present step…",
    "continue": "Going on…",
    "stop": "Stopping; the state is saved first…",
    "resume": "Resuming from the last checkpoint…",
}


class Training(QObject):
    """Starts and watches runs; they live on when it goes.

    Parameters
    ----------
    form
        What a new run is to be.
    state
        Where is written what is seen.
    """

    started = Signal()
    finished = Signal()
    """A run came to its end, and its model is there."""
    log_read = Signal(str)

    def __init__(self, form: TrainForm, state: TrainState) -> None:
        super().__init__()
        self.form, self.state = form, state
        self._doing: Work[Any] | None = None
        self._waiting: Callable[[], None] | None = None
        self.watch = Watch(lambda: self.state.chosen)
        self.watch.looked.connect(self._on_looked)
        self.watch.failed.connect(self._on_failed)

    def start(self) -> None:
        """Start the training that the form describes."""
        out = run_folder(self.form, load_settings().runs_dir)
        try:
            words = command(self.form, out)
        except UsageError as error:
            self.state.error = str(error)
            return
        self._do(lambda: train_jobs.start(words, out), "Starting…", self._on_started)

    def act(self, action: str) -> None:
        """Pause, continue, stop or resume the chosen run."""
        row = self.state.row
        if row is not None:
            self._do(partial(train_jobs.act, row.path, action), _DOING[action], self._on_done)

    def choose(self, path: str) -> None:
        """Look at this run."""
        if path != self.state.chosen:
            self.state.chosen = path
            self.watch.look()

    def set_priority(self, priority: Priority) -> None:
        """Say who goes first where the chosen run and this window share a GPU."""
        if self.state.row is not None:
            self._do(
                partial(train_jobs.set_priority, self.state.row.path, priority), "", self._on_done
            )

    def read_log(self) -> None:
        """Read what the chosen run's process printed last; told by ``log_read``."""
        if self.state.row is not None:
            self._do(partial(train_jobs.log_of, self.state.row.path), "", self._on_log)

    def close(self) -> None:
        """Watch no more; the runs go on."""
        self.watch.close()
        self._waiting = None
        if self._doing is not None:
            self._doing.cancel()

    def _do(self, function: Callable[[], T], activity: str, done: Callable[[T], None]) -> None:
        """Do something to a run, away from the window, one thing after the other.

        What is asked for while something is being done waits; only the last of it is kept.
        """
        if self._doing is not None:
            self._waiting = partial(self._do, function, activity, done)
            return
        self.state.error = ""
        self.state.activity = activity
        self._doing = Work(lambda _progress: function(), "sees to a run")
        self._doing.finished.connect(done)
        self._doing.failed.connect(self._on_refused)
        self._doing.start()

    def _end(self) -> None:
        self._doing = None
        self.state.activity = ""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def _on_done(self, _result: object) -> None:
        self._end()
        self.watch.look()

    def _on_started(self, out: Path) -> None:
        self.form.out = ""
        self.state.chosen = str(out)
        self._on_done(out)
        self.started.emit()

    def _on_log(self, log: str) -> None:
        self._end()
        self.log_read.emit(log)

    def _on_refused(self, sentence: str) -> None:
        self._end()
        self._on_failed(sentence)

    def _on_failed(self, sentence: str) -> None:
        self.state.error = sentence

    def _on_looked(self, look: Look) -> None:
        before = {str(row.path): row.state for row in self.state.runs or ()}
        now = {str(row.path): row.state for row in look.rows}
        first = self.state.runs is None
        self.state.runs = look.rows
        gone = self.state.chosen in before and self.state.chosen not in now
        if look.rows and (gone or not self.state.chosen):
            self.choose(str(look.rows[0].path))
        if look.detail is not None and str(look.detail.path) == self.state.chosen:
            self.state.detail = look.detail
        ended = {path for path, state in now.items() if state == "finished"}
        if not first and any(before.get(path) != "finished" for path in ended):
            self.finished.emit()
