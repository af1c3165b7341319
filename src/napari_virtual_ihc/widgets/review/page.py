"""The Review page: a thin view on a :class:`ReviewState`; decides nothing."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.widgets.look import AMBER, RED, message_label, row, show_message
from napari_virtual_ihc.widgets.review.bookmarks import title
from napari_virtual_ihc.widgets.review.model import ReviewState, reads_line

_LIST_PX, _EDIT_PX = 96, 60
_HIDDEN = "The virtual stain is hidden in every picture until you reveal it."


class ReviewPage(QWidget):
    """Views, regions, blind reads, and the whole review as a file.

    Parameters
    ----------
    state
        What to show.
    """

    view_chosen = Signal(int)
    note_typed = Signal(str)

    def __init__(self, state: ReviewState) -> None:
        super().__init__()
        self._state = state
        self.save, self.open = QPushButton("Save…"), QPushButton("Open…")
        self.places = QCheckBox("with places")
        self.places.setToolTip(
            "Keep where the slides lie; off, the file knows them by their pixels alone"
        )
        self.views = QListWidget()
        self.views.setFixedHeight(_LIST_PX)
        self.note = QLineEdit()
        self.note.setPlaceholderText("note on this view")
        self.keep, self.remove = QPushButton("Keep"), QPushButton("Remove")
        self.bring, self.give = QPushButton("Import…"), QPushButton("Export…")
        for button, words in ((self.bring, "from QuPath"), (self.give, "for QuPath")):
            button.setToolTip(f"Regions {words}, as GeoJSON")
        self.region = QComboBox()
        self.region.setMinimumContentsLength(8)
        self.region.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.score, self.reading_note, self.reader = QLineEdit(), QLineEdit(), QLineEdit()
        self.score.setPlaceholderText("score, e.g. 2+ or 15 %")
        self.reading_note.setPlaceholderText("note")
        self.reader.setPlaceholderText("initials")
        for edit in (self.score, self.reading_note, self.reader, self.note):
            edit.setMinimumWidth(_EDIT_PX)
        self.reader.setMaximumWidth(_EDIT_PX)
        self.begin, self.record = QPushButton("Hide virtual"), QPushButton("Record score")
        self.reveal, self.table = QPushButton("Reveal"), QPushButton("Export CSV…")
        self.hidden, self.error = message_label(AMBER), message_label(RED)
        self.reads, self.notice = message_label(""), message_label("")
        self._lay_out()
        self.views.itemActivated.connect(lambda _item: self._choose_view())
        self.views.itemClicked.connect(lambda _item: self._choose_view())
        self.note.editingFinished.connect(self._type_note)
        state.events.connect(self._on_state_changed)
        self.show_state()

    def show_state(self) -> None:
        """Show every field of the state."""
        state, blind = self._state, self._state.blind
        self._show_views(state)
        self._show_regions(state)
        self.begin.setEnabled(not blind)
        self.reveal.setEnabled(blind)
        self.record.setEnabled(blind)
        self.save.setEnabled(not blind and not state.activity)
        self.open.setEnabled(not blind and not state.activity)
        self.table.setEnabled(bool(state.reads))
        show_message(self.hidden, _HIDDEN if blind else "")
        show_message(self.reads, reads_line(state))
        show_message(self.error, state.error)
        show_message(self.notice, state.activity or state.notice)

    def forget_state(self) -> None:
        """Stop listening to the state."""
        self._state.events.disconnect(self._on_state_changed)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        items: list[QWidget] = [
            row("Review", self.open, self.save, self.places, 1),
            self.error,
            self.notice,
            QLabel("Views"),
            self.views,
            row(self.keep, self.note, self.remove),
            row("Regions", 1, self.bring, self.give),
            QLabel("Blind read"),
            self.hidden,
            row(self.begin, self.region, 1, self.reveal),
            row(self.score, self.reading_note, self.reader),
            row(self.record, 1, self.table),
            self.reads,
        ]
        for item in items:
            layout.addWidget(item)
        layout.addStretch(1)

    def _show_views(self, state: ReviewState) -> None:
        self.views.clear()
        self.views.addItems([title(view, place) for place, view in enumerate(state.views, start=1)])
        self.views.setCurrentRow(state.current)
        chosen = 0 <= state.current < len(state.views)
        self.remove.setEnabled(chosen)
        if not self.note.hasFocus():
            self.note.setText(state.views[state.current].note if chosen else "")

    def _show_regions(self, state: ReviewState) -> None:
        names = [self.region.itemText(index) for index in range(self.region.count())]
        if names != list(state.regions):
            self.region.clear()
            self.region.addItems(state.regions)

    def _choose_view(self) -> None:
        self.view_chosen.emit(self.views.currentRow())

    def _type_note(self) -> None:
        self.note_typed.emit(self.note.text())

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()
