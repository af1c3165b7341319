"""The Review page: a thin view on a :class:`ReviewState`; decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.look import RED, message_label, row, show_message
from napari_virtual_ihc.widgets.review.read_box import ReadBox
from napari_virtual_ihc.widgets.review.views_box import ViewsBox

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.review.model import ReviewState

_PLACES = "Keep where the slides lie; off, the file knows them by their pixels alone"


class ReviewPage(QWidget):
    """Views, regions, blind reads, and the whole review as a file.

    Parameters
    ----------
    state
        What to show.
    """

    def __init__(self, state: ReviewState) -> None:
        super().__init__()
        self._state = state
        self.save, self.open = QPushButton("Save…"), QPushButton("Open…")
        self.places = QCheckBox("with places")
        self.places.setToolTip(_PLACES)
        self.kept, self.reading = ViewsBox(), ReadBox()
        self.bring, self.give = QPushButton("Import…"), QPushButton("Export…")
        self.bring.setToolTip("Regions from QuPath, as GeoJSON")
        self.give.setToolTip("Regions for QuPath, as GeoJSON")
        self.error, self.notice = message_label(RED), message_label("")
        self._lay_out()
        state.events.connect(self._on_state_changed)
        self.show_state()

    def show_state(self) -> None:
        """Show every field of the state."""
        state = self._state
        self.kept.show_views(state)
        self.reading.show_reads(state)
        idle = not state.blind and not state.activity
        self.save.setEnabled(idle)
        self.open.setEnabled(idle)
        show_message(self.error, state.error)
        show_message(self.notice, state.activity or state.notice)

    def forget_state(self) -> None:
        """Stop listening to the state."""
        self._state.events.disconnect(self._on_state_changed)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row("Review", self.open, self.save, self.places, 1))
        layout.addWidget(self.error)
        layout.addWidget(self.notice)
        layout.addWidget(QLabel("Views"))
        layout.addWidget(self.kept)
        layout.addWidget(row("Regions", 1, self.bring, self.give))
        layout.addWidget(QLabel("Blind read"))
        layout.addWidget(self.reading)
        layout.addStretch(1)

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()
