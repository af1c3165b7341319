"""The stages of a registration on the Align page: each with its likeness, each to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.widgets.align.stage_model import EARLIER, shown_row
from napari_virtual_ihc.widgets.look import AMBER, message_label, show_message

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.align.model import AlignState

_TITLES = ("stage", "likeness", "")
_TIP = (
    "Choose a stage to see the real IHC as it lay after it. Likeness is the mean correlation of "
    "squares of tissue, −1 to 1, before and after."
)


class StageView(QWidget):
    """A table of stages; the chosen one is shown on the canvas."""

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.table = QTableWidget(0, len(_TITLES))
        self.table.setHorizontalHeaderLabels(_TITLES)
        self.table.verticalHeader().hide()
        self.table.setToolTip(_TIP)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.why, self.earlier = message_label(""), message_label(AMBER)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (self.table, self.why, self.earlier):
            layout.addWidget(item)
        self.table.cellClicked.connect(lambda place, _column: self.chosen.emit(place))

    def show_state(self, state: AlignState) -> None:
        """Show the stages, and which of them is on the canvas."""
        rows = state.stages
        self.table.setVisible(bool(rows))
        self.table.setEnabled(not state.laying)
        self.table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            for column, words in enumerate((row.name, row.likeness, row.verdict)):
                self._cell(place, column, able=row.mapping is not None).setText(words)
        self.table.setFixedHeight(self._height())
        self.table.selectRow(state.stage)
        shown = 0 <= state.stage < len(rows) and not state.laying
        show_message(self.why, rows[state.stage].why if shown else "")
        show_message(self.earlier, EARLIER if state.stage != shown_row(rows) else "")

    def _height(self) -> int:
        rows = sum(self.table.rowHeight(place) for place in range(self.table.rowCount()))
        return int(rows + self.table.horizontalHeader().sizeHint().height() + 4)

    def _cell(self, place: int, column: int, *, able: bool) -> QTableWidgetItem:
        item = self.table.item(place, column)
        if item is None:
            item = QTableWidgetItem()
            self.table.setItem(place, column, item)
        shown = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        item.setFlags(shown if able else Qt.ItemFlag.NoItemFlags)
        return item
