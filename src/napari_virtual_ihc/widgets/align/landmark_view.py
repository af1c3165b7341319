"""Marked pairs on the Align page: a thin view on the page's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.widgets.align.landmark_model import (
    WAYS,
    asked,
    row_words,
    summary,
    way_words,
    worst,
)
from napari_virtual_ihc.widgets.look import message_label, row, show_message

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.align.model import AlignState

_TABLE_PX = 150
_HELP = (
    "Mark a structure on the H&E, then the same on the real IHC, by turns. Points can be dragged "
    "and deleted with napari's own tools on the two layers of landmarks."
)


class LandmarkView(QWidget):
    """Button, list of pairs with their errors, and what the pairs do."""

    marking_toggled = Signal(bool)
    delete_requested = Signal(int)
    pair_chosen = Signal(int)
    way_chosen = Signal(str)
    open_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.mark = QPushButton("Mark pairs")
        self.mark.setCheckable(True)
        self.mark.setToolTip(_HELP)
        self.delete = QPushButton("Delete pair")
        self.open = QPushButton("Open…")
        self.open.setToolTip("Landmarks of both slides as CSV with columns X and Y in px")
        self.asked, self.summary = message_label("font-weight: bold;"), message_label("")
        self.ways = QComboBox()
        self.ways.setToolTip(
            "What the pairs do, each with the median error of a pair that the map was made without"
        )
        for way in WAYS:
            self.ways.addItem(WAYS[way], way)
        self.table = self._make_table()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (
            row(self.mark, self.delete, self.open, 1),
            self.asked,
            row("Pairs", self.ways),
            self.summary,
            self.table,
        ):
            layout.addWidget(item)
        self._connect()

    def show_state(self, state: AlignState) -> None:
        """Show what the state says of pairs."""
        self.mark.setEnabled(state.moving >= 0 and not state.activity)
        self.open.setEnabled(self.mark.isEnabled())
        self.mark.setChecked(state.marking)
        self.mark.setText("Stop marking" if state.marking else "Mark pairs")
        show_message(self.asked, asked(state))
        show_message(self.summary, summary(state))
        medians = dict(state.medians)
        for index, way in enumerate(WAYS):
            self.ways.setItemText(index, way_words(way, medians))
        self.ways.setCurrentIndex(list(WAYS).index(state.way))
        self.ways.setEnabled(any(state.marked))
        self._show_rows(state)

    def chosen(self) -> int:
        """Return the pair chosen in the list, from 0, or −1."""
        return int(self.table.currentRow())

    def _show_rows(self, state: AlignState) -> None:
        count, bad = max(state.marked), worst(state.errors)
        self.table.setVisible(count > 0)
        self.delete.setEnabled(count > 0)
        self.table.setRowCount(count)
        for number in range(count):
            for column, words in enumerate(row_words(state, number)):
                self._cell(number, column).setText(words)
                brush = QBrush(QColor("#ff6b5e")) if number == bad else QBrush()
                self._cell(number, column).setForeground(brush)

    def _cell(self, number: int, column: int) -> QTableWidgetItem:
        item = self.table.item(number, column)
        if item is None:
            item = QTableWidgetItem()
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(number, column, item)
        return item

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 2)
        table.setHorizontalHeaderLabels(["pair", "error left out, µm"])
        table.verticalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setMinimumHeight(_TABLE_PX)
        return table

    def _connect(self) -> None:
        self.mark.clicked.connect(self.marking_toggled)
        self.delete.clicked.connect(lambda _on=False: self.delete_requested.emit(self.chosen()))
        self.open.clicked.connect(self.open_requested)
        self.ways.activated.connect(lambda index: self.way_chosen.emit(self.ways.itemData(index)))
        self.table.cellClicked.connect(lambda number, _column: self.pair_chosen.emit(number))
