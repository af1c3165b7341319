"""The Train page: the runs, curves and pictures of the chosen one, and the form of a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.fold import Fold
from napari_virtual_ihc.widgets.look import RED, message_label, show_message
from napari_virtual_ihc.widgets.train.form_view import FormView
from napari_virtual_ihc.widgets.train.plots import Plots
from napari_virtual_ihc.widgets.train.runs_view import RunsView
from napari_virtual_ihc.widgets.train.samples import Samples

if TYPE_CHECKING:
    from psygnal import EmissionInfo
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_virtual_ihc.widgets.train.form import TrainForm
    from napari_virtual_ihc.widgets.train.model import TrainState

_OF_FORM = ("catalogue", "problem")
_OF_CHECK = ("check", "recipe", "hint", "ready", "problem", "out", "activity")


class TrainPage(QWidget):
    """Shows a :class:`TrainForm` and a :class:`TrainState`; decides nothing.

    What the user asks for is told by the signals of ``runs`` and ``form``.

    Parameters
    ----------
    form, state
        What to show.
    """

    shown = Signal(bool)

    def __init__(self, form: TrainForm, state: TrainState) -> None:
        super().__init__()
        self._form, self._state = form, state
        self.runs, self.form = RunsView(), FormView()
        self.plots, self.samples = Plots(), Samples()
        self.error = message_label(RED)
        self.new = Fold("New training")
        self.new.hold(self.form)
        self._lay_out()
        form.events.connect(self._on_form_changed)
        state.events.connect(self._on_state_changed)
        self.show_all()

    def show_all(self) -> None:
        """Show everything."""
        if self._state.catalogue is not None:
            self.form.show_catalogue(self._state.catalogue)
        self.form.show_form(self._form, self._state)
        self.form.show_state(self._state)
        self._show_runs()
        show_message(self.error, self._state.error)

    def forget_state(self) -> None:
        """Stop listening, and reading pictures."""
        self._form.events.disconnect(self._on_form_changed)
        self._state.events.disconnect(self._on_state_changed)
        self.samples.close_reading()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Tell that the page is looked at."""
        super().showEvent(event)
        self.shown.emit(True)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Tell that the page is looked at no more."""
        super().hideEvent(event)
        self.shown.emit(False)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.error, self.new, self.runs, self.plots, self.samples):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _on_form_changed(self, _info: EmissionInfo) -> None:
        self.form.show_form(self._form, self._state)

    def _on_state_changed(self, info: EmissionInfo) -> None:
        name = info.signal.name
        if name == "catalogue" and self._state.catalogue is not None:
            self.form.show_catalogue(self._state.catalogue)
        if name in _OF_FORM:
            self.form.show_form(self._form, self._state)
        if name in _OF_CHECK:
            self.form.show_state(self._state)
        if name in ("runs", "chosen", "detail", "activity", "curves"):
            self._show_runs()
        if name == "error":
            show_message(self.error, self._state.error)

    def _show_runs(self) -> None:
        state = self._state
        self.runs.show_runs(state)
        detail, row = state.detail, state.row
        known = detail is not None and row is not None and detail.path == row.path
        curves = detail.curves if detail is not None and known else ()
        self.plots.show_curves(curves, state.curves)
        self.plots.setVisible(bool(curves))
        samples = detail.samples if detail is not None and known else ()
        self.samples.show_samples(samples, translated=state.translates)
