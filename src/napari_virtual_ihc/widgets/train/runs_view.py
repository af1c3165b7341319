"""The list of runs, and what can be done with the chosen one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.widgets.look import RED, message_label, row, show_message
from napari_virtual_ihc.widgets.train.editors import keep_from_wheel
from napari_virtual_ihc.widgets.train.form import PRIORITIES
from napari_virtual_ihc.widgets.train.words import NO_RUNS, detail_text, outcome_text, row_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.widgets.train.model import RunRow, TrainState

_PATH = Qt.ItemDataRole.UserRole
_MOST_ROWS, _SPACING = 4, 2
ACTIONS = {
    "pause": ("Pause", "Wait after the present step; the state is saved", ("running",)),
    "continue": ("Continue", "Go on", ("paused",)),
    "stop": ("Stop", "Save and end; it can be resumed", ("running", "paused")),
    "resume": ("Resume", "Go on from the last checkpoint", ("stopped", "failed", "lost")),
}
"""Action → words, tip, and the states in which it can be done."""


class RunsView(QWidget):
    """Shows the runs; says which one is chosen and what is to be done with it."""

    chosen = Signal(str)
    action_requested = Signal(str)
    priority_chosen = Signal(str)
    log_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setSpacing(_SPACING)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.currentItemChanged.connect(self._on_current_changed)
        self.buttons = {name: self._button(name) for name in ACTIONS}
        self.log = QPushButton("Log")
        self.log.setToolTip("The last lines that the process printed")
        self.log.clicked.connect(self.log_requested)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(10)
        self.empty, self.failure = message_label(""), message_label(RED)
        self.outcome = message_label("")
        self.facts = QLabel()
        self.facts.setWordWrap(True)
        self._make_priority()
        self._lay_out()

    def show_runs(self, state: TrainState) -> None:
        """Show the runs, and the buttons of the chosen one."""
        rows = state.runs or ()
        show_message(self.empty, NO_RUNS if state.runs == () else "")
        self.list.setVisible(bool(rows))
        self._show_list(rows, state.chosen)
        chosen = state.row
        self.one.setVisible(chosen is not None)
        if chosen is not None:
            self._show_one(chosen, state)

    def _show_list(self, rows: Sequence[RunRow], chosen: str) -> None:
        self.list.blockSignals(True)
        paths = [self.list.item(index).data(_PATH) for index in range(self.list.count())]
        if paths != [str(one.path) for one in rows]:
            self.list.clear()
            for one in rows:
                item = QListWidgetItem()
                item.setData(_PATH, str(one.path))
                self.list.addItem(item)
        for index, one in enumerate(rows):
            self._show_row(self.list.item(index), one)
            if str(one.path) == chosen and self.list.currentRow() != index:
                self.list.setCurrentRow(index)
        self.list.blockSignals(False)
        self._fit_height()

    def _show_row(self, item: QListWidgetItem, one: RunRow) -> None:
        text = "\n".join(filter(None, row_text(one)))
        if item.text() != text:
            item.setText(text)
        protocol = "" if one.figure is None else f"\n{one.figure.name}: {one.figure.protocol}"
        tip = f"{one.path}{protocol}"
        if item.toolTip() != tip:
            item.setToolTip(tip)

    def _fit_height(self) -> None:
        count = min(self.list.count(), _MOST_ROWS)
        height = sum(self.list.sizeHintForRow(index) + 2 * _SPACING for index in range(count))
        wanted = height + 2 * self.list.frameWidth() + 4
        if self.list.height() != wanted or self.list.maximumHeight() != wanted:
            self.list.setFixedHeight(wanted)

    def _show_one(self, one: RunRow, state: TrainState) -> None:
        for name, (_, _, states) in ACTIONS.items():
            able = one.state in states and not state.activity
            self.buttons[name].setEnabled(able and (name != "resume" or one.resumable))
        paused = one.state == "paused"
        self.buttons["pause"].setVisible(not paused)
        self.buttons["continue"].setVisible(paused)
        self.bar.setRange(0, one.steps or 1)
        self.bar.setValue(one.step if one.steps else 0)
        show_message(self.failure, one.sentence)
        show_message(self.outcome, outcome_text(state))
        detail = state.detail
        known = detail is not None and str(detail.path) == state.chosen
        facts = detail_text(detail) if detail is not None and known else ""
        self.facts.setText(f"{state.activity}\n" if state.activity else facts or "\n")
        if detail is not None and known:
            self.priority.setCurrentIndex(self.priority.findData(detail.priority))
        self.shared.setVisible(one.state != "finished")

    def _make_priority(self) -> None:
        self.priority = QComboBox()
        self.priority.setToolTip("Who waits where this training and this window share a GPU")
        for value, title in PRIORITIES.items():
            self.priority.addItem(title, value)
        self.priority.activated.connect(self._on_priority)
        keep_from_wheel(self.priority)
        self.shared = row("On a shared GPU", self.priority, 1)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.empty)
        layout.addWidget(self.list)
        self.one = QWidget()
        inner = QVBoxLayout(self.one)
        inner.setContentsMargins(0, 0, 0, 0)
        for widget in (
            row(*self.buttons.values(), 1, self.log),
            self.failure,
            self.bar,
            self.facts,
            self.outcome,
            self.shared,
        ):
            inner.addWidget(widget)
        layout.addWidget(self.one)

    def _button(self, name: str) -> QPushButton:
        words, tip, _ = ACTIONS[name]
        button = QPushButton(words)
        button.setToolTip(tip)
        button.clicked.connect(partial(self._on_action, name))
        return button

    def _on_action(self, name: str, _checked: bool = False) -> None:
        self.action_requested.emit(name)

    def _on_priority(self, index: int) -> None:
        self.priority_chosen.emit(self.priority.itemData(index))

    def _on_current_changed(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.chosen.emit(item.data(_PATH))
