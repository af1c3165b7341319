"""The Compare page: a thin view on its states; decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_virtual_ihc.comparison.asking import CELLS, VECTORS
from napari_virtual_ihc.widgets.compare.live import LiveView
from napari_virtual_ihc.widgets.compare.map_view import MapView
from napari_virtual_ihc.widgets.compare.model import NO_REGISTRATION, CompareState, progress_line
from napari_virtual_ihc.widgets.compare.regions import WHERE
from napari_virtual_ihc.widgets.compare.results import Results
from napari_virtual_ihc.widgets.keys import DISAGREEMENT
from napari_virtual_ihc.widgets.look import (
    RED,
    message_label,
    row,
    show_message,
    tool_button,
    widened,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QShowEvent

    from napari_virtual_ihc.widgets.compare.map_model import MapState

_TIPS = {
    "cells": "Which cells are graded: auto takes membranes for HER2, nuclei for other markers",
    "vectors": "Stain vectors of both slides: published ones, or those of the real slide",
}

_FEWEST_LETTERS = 3
"""Of a list where the dock is narrow; two such stand in one row."""


class ComparePage(QWidget):
    """Shows what is compared: the map between them, and numbers of the view and of regions.

    Parameters
    ----------
    state, map_state
        What to show.
    """

    choice_changed = Signal(str, str)
    """``where``, ``cells`` or ``vectors``, and what it is now."""
    draw_requested = Signal()
    measure_requested = Signal()
    disagreement_requested = Signal()
    cancel_requested = Signal()
    save_requested = Signal()
    came_into_view = Signal()
    regions_wanted = Signal()
    """The list of regions is about to be opened."""

    def __init__(self, state: CompareState, map_state: MapState) -> None:
        super().__init__()
        self._state = state
        self.hint, self.pair = message_label(""), message_label("")
        self.map, self.live, self.results = MapView(map_state), LiveView(state), Results()
        self.where = _Opening()
        widened(self.where)
        self.cells, self.vectors = _box(CELLS), _box(VECTORS)
        self.draw, self.measure = QPushButton("Draw"), QPushButton("Measure")
        self.save = QPushButton("Save…")
        self.further = QPushButton("Next disagreement")
        self.further.setToolTip(
            f"Go to the comparable square where virtual and real differ most in DAB area, then to "
            f"the next; key {DISAGREEMENT}"
        )
        self.disagreement = message_label("")
        self.bar, self.activity = QProgressBar(), QLabel()
        self.cancel = tool_button("Stop", "Stop measuring")
        self.error, self.notice = message_label(RED), message_label("")
        self._numbers = self._lay_out_numbers()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (self.hint, self.pair, self.map, self._numbers):
            layout.addWidget(item)
        layout.addStretch(1)
        self._connect()
        self.show_state()

    def show_state(self) -> None:
        """Show every field of the state."""
        state = self._state
        show_message(self.hint, "" if state.pair else f"{state.notice} {NO_REGISTRATION}".lstrip())
        show_message(self.pair, state.pair)
        self.map.setEnabled(bool(state.pair))
        self._numbers.setVisible(bool(state.pair))
        self.live.show_state()
        self._show_asking(state)
        self.results.show_answer(state.answer, state.measure)
        self.save.setVisible(state.answer is not None)
        show_message(self.disagreement, state.disagreement)
        show_message(self.error, state.error)
        show_message(self.notice, state.notice)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Tell that the page can be seen now."""
        super().showEvent(event)
        self.came_into_view.emit()

    def forget_state(self) -> None:
        """Stop listening to the states."""
        self._state.events.disconnect(self._on_state_changed)
        self.map.forget_state()

    def _show_asking(self, state: CompareState) -> None:
        busy = bool(state.activity)
        self._offer(WHERE | state.regions)
        for name, box in self._boxes().items():
            box.setCurrentIndex(box.findData(getattr(state, name)))
        for part in (self.measure, self.draw, self.save, *self._boxes().values()):
            part.setEnabled(state.virtual and not busy)
        self.further.setEnabled(state.virtual)
        self.bar.setVisible(busy)
        self.bar.setRange(0, state.total)
        self.bar.setValue(state.done)
        self._activity.setVisible(busy)
        self.activity.setText(progress_line(state))

    def _offer(self, regions: dict[str, str]) -> None:
        if [self.where.itemData(index) for index in range(self.where.count())] != list(regions):
            self.where.clear()
            for identity, words in regions.items():
                self.where.addItem(words, identity)

    def _boxes(self) -> dict[str, QComboBox]:
        return {"where": self.where, "cells": self.cells, "vectors": self.vectors}

    def _lay_out_numbers(self) -> QWidget:
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(10)
        self._activity = row(self.activity, 1, self.cancel)
        for name, tip in _TIPS.items():
            self._boxes()[name].setToolTip(tip)
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        items: list[QWidget] = [
            self.live,
            row("Region", self.where, self.draw),
            row("Cells", self.cells, "vectors", self.vectors),
            row(self.measure, self.save, self.further),
            self.bar, self._activity, self.disagreement, self.error, self.notice, self.results,
        ]  # fmt: skip
        for item in items:
            layout.addWidget(item)
        return whole

    def _connect(self) -> None:
        for name, box in self._boxes().items():
            box.activated.connect(
                lambda index, name=name, box=box: self.choice_changed.emit(
                    name, box.itemData(index)
                )
            )
        self.where.opening.connect(self.regions_wanted)
        self.draw.clicked.connect(self.draw_requested)
        self.measure.clicked.connect(self.measure_requested)
        self.further.clicked.connect(self.disagreement_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.save.clicked.connect(self.save_requested)
        self._state.events.connect(self._on_state_changed)

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()


class _Opening(QComboBox):
    """A list that tells before it opens, so that what it offers is as it is then."""

    opening = Signal()

    def showPopup(self) -> None:
        """Tell, and open."""
        self.opening.emit()
        super().showPopup()


def _box(names: Sequence[str]) -> QComboBox:
    box = QComboBox()
    for name in names:
        box.addItem(name, name)
    widened(box).setMinimumContentsLength(_FEWEST_LETTERS)
    return box
