"""The part of the Review page for blind reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.look import AMBER, message_label, row, show_message, widened
from napari_virtual_ihc.widgets.review.model import reads_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.widgets.review.model import ReviewState

_EDIT_PX = 60
_HIDDEN = "The virtual stain is hidden in every picture until you reveal it."


class ReadBox(QWidget):
    """Hides the stain, takes a score for a region, reveals; all reads as a table."""

    begin_wanted = Signal()
    region_chosen = Signal(int)
    scored = Signal(int, str, str, str)
    """Index of the region, score, note, and who read."""
    reveal_wanted = Signal(int, str)
    """Index of the region, and who read."""

    def __init__(self) -> None:
        super().__init__()
        self.region = widened(QComboBox())
        self.score = _edit("score, e.g. 2+ or 15 %")
        self.note, self.reader = _edit("note"), _edit("initials")
        self.reader.setMaximumWidth(_EDIT_PX)
        self.begin, self.record = QPushButton("Hide virtual"), QPushButton("Record score")
        self.reveal, self.table = QPushButton("Reveal"), QPushButton("Export CSV…")
        self.hidden, self.reads = message_label(AMBER), message_label("")
        self._lay_out()
        self._connect()

    def show_reads(self, state: ReviewState) -> None:
        """Show whether the stain is hidden, which regions there are, and how many reads."""
        self._offer(state.regions)
        self.begin.setEnabled(not state.blind)
        self.reveal.setEnabled(state.blind)
        self.record.setEnabled(state.blind)
        self.table.setEnabled(bool(state.reads))
        show_message(self.hidden, _HIDDEN if state.blind else "")
        show_message(self.reads, reads_line(state))

    def clear_score(self) -> None:
        """Ask for the next score."""
        self.score.clear()
        self.note.clear()

    def _offer(self, regions: Sequence[str]) -> None:
        """Offer regions by name; the one that is chosen stays so."""
        names = [self.region.itemText(index) for index in range(self.region.count())]
        if names == list(regions):
            return
        chosen, name = self.region.currentIndex(), self.region.currentText()
        self.region.clear()
        self.region.addItems(regions)
        stays = chosen < len(regions) and regions[chosen] == name
        self.region.setCurrentIndex(chosen if stays else max(self.region.findText(name), 0))

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.hidden)
        layout.addWidget(row(self.begin, self.region, self.reveal))
        layout.addWidget(row(self.score, self.note, self.reader))
        layout.addWidget(row(self.record, 1, self.table))
        layout.addWidget(self.reads)

    def _connect(self) -> None:
        self.begin.clicked.connect(lambda _on=False: self.begin_wanted.emit())
        self.region.activated.connect(self.region_chosen)
        self.record.clicked.connect(lambda _on=False: self._score())
        self.reveal.clicked.connect(
            lambda _on=False: self.reveal_wanted.emit(
                self.region.currentIndex(), self.reader.text()
            )
        )

    def _score(self) -> None:
        words = self.score.text(), self.note.text(), self.reader.text()
        self.scored.emit(self.region.currentIndex(), *words)


def _edit(words: str) -> QLineEdit:
    edit = QLineEdit()
    edit.setPlaceholderText(words)
    edit.setMinimumWidth(_EDIT_PX)
    return edit
