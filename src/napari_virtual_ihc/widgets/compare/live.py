"""The agreement of what is in view, kept up to date; a thin view on a :class:`CompareState`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.compare.results import table_label
from napari_virtual_ihc.widgets.compare.words import (
    caution_line,
    live_line,
    of_measure,
    region_table,
    share_line,
    verdict_table,
)
from napari_virtual_ihc.widgets.look import AMBER, message_label, show_message

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.compare.model import CompareState


class LiveView(QWidget):
    """Share, values and agreement of the region in view.

    Parameters
    ----------
    state
        What to show.
    """

    toggled = Signal(bool)

    def __init__(self, state: CompareState) -> None:
        super().__init__()
        self._state = state
        self.live = QCheckBox("Numbers of the view, whenever it rests")
        self.note, self.share = message_label(""), message_label("")
        self.caution = message_label(AMBER)
        self.verdicts, self.table, self.line = table_label(), table_label(), message_label("")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (self.live, self.note, self.caution, *self._numbers()):
            layout.addWidget(item)
        self.live.clicked.connect(self.toggled)

    def show_state(self) -> None:
        """Show what belongs to the view; former numbers are grey until new ones are there."""
        state, answer = self._state, self._state.view_answer
        self.live.setChecked(state.live)
        show_message(self.note, state.view_note if state.live else "")
        shown = answer is not None and state.live
        show_message(self.share, share_line(answer) if answer and shown else "")
        show_message(self.caution, caution_line(answer) if answer and shown else "")
        show_message(self.verdicts, verdict_table(answer) if answer and shown else "")
        show_message(self.table, region_table(answer) if answer and shown else "")
        found = of_measure(answer.found, state.measure) if answer else []
        show_message(self.line, live_line(found) if shown else "")
        for label in self._numbers():
            label.setEnabled(not state.view_note)

    def _numbers(self) -> tuple[QLabel, ...]:
        return self.share, self.verdicts, self.table, self.line
