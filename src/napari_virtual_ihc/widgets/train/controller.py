"""The Train page put together: its view, the form it fills in, the runs it watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.train.checks import findings_html, log_html
from napari_virtual_ihc.widgets.train.control import Training
from napari_virtual_ihc.widgets.train.filling import Filling
from napari_virtual_ihc.widgets.train.form import TrainForm, load_form
from napari_virtual_ihc.widgets.train.model import TrainState
from napari_virtual_ihc.widgets.train.page import TrainPage
from napari_virtual_ihc.widgets.train.pairs import PairCutting
from napari_virtual_ihc.widgets.translate.card_dialog import show_html

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.session import Session


class TrainController(QObject):
    """Wires the page's wishes to what fulfils them.

    Parameters
    ----------
    session
        The window, which hears of finished models.
    """

    title = "Train"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.state = TrainState()
        self.form = self._load_form()
        self.view = TrainPage(self.form, self.state)
        self.filling = Filling(self.form, self.state)
        self.pairs = PairCutting(session, self.filling)
        self.view.form.hold_pairs(self.pairs.view)
        self.training = Training(self.form, self.state)
        self.training.finished.connect(session.models_changed)
        self._opened = False
        self._connect()

    def close(self) -> None:
        """Watch no more; what is trained goes on."""
        self.view.forget_state()
        self.pairs.close()
        self.filling.close()
        self.training.close()

    def _load_form(self) -> TrainForm:
        try:
            return load_form()
        except VirtualIhcError as error:
            self.state.error = str(error)
            return TrainForm()

    def _connect(self) -> None:
        view, fills, trains = self.view, self.filling, self.training
        view.shown.connect(self._on_shown)
        view.form.edited.connect(fills.set_field)
        view.form.check_requested.connect(fills.check)
        view.form.findings_requested.connect(self._on_findings_requested)
        view.form.start_requested.connect(trains.start)
        view.form.switches.switch_changed.connect(fills.set_switch)
        view.form.switches.row_chosen.connect(fills.set_row)
        view.form.switches.reset_requested.connect(fills.reset)
        view.runs.chosen.connect(trains.choose)
        view.runs.action_requested.connect(trains.act)
        view.runs.priority_chosen.connect(trains.set_priority)
        view.runs.log_requested.connect(trains.read_log)
        trains.started.connect(self._on_started)
        trains.log_read.connect(self._on_log_read)
        self.state.events.runs.connect(self._on_runs)

    def _on_shown(self, on: bool) -> None:
        self.training.watch.set_shown(on)
        if on:
            self.filling.read_methods()

    def _on_runs(self) -> None:
        """Open the form where there is no run to look at yet."""
        if not self._opened:
            self._opened = True
            self.view.new.set_open(not self.state.runs)

    def _on_started(self) -> None:
        self.view.new.set_open(False)
        self.filling.refresh()

    def _on_findings_requested(self) -> None:
        if self.state.check is not None:
            show_html(self.view, "What was found", findings_html(self.state.check))

    def _on_log_read(self, log: str) -> None:
        row = self.state.row
        title = f"Log of {row.name}" if row else "Log"
        show_html(self.view, title, log_html(log), at_end=True)
