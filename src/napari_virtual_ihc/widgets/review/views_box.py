"""The part of the Review page with the views that were kept."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QListWidget, QPushButton, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.look import row
from napari_virtual_ihc.widgets.review.bookmarks import title

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.review.model import ReviewState

_LIST_PX = 96


class ViewsBox(QWidget):
    """A list of views to go to, and a note on the one that was gone to last."""

    chosen = Signal(int)
    keep_wanted = Signal(str)
    """With a note, which may be empty."""
    remove_wanted = Signal()
    note_typed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.views = QListWidget()
        self.views.setFixedHeight(_LIST_PX)
        self.note = QLineEdit()
        self.note.setPlaceholderText("note on this view")
        self.keep, self.remove = QPushButton("Keep"), QPushButton("Remove")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.views)
        layout.addWidget(row(self.keep, self.note, self.remove))
        self._connect()

    def show_views(self, state: ReviewState) -> None:
        """List the views, and show the note of the current one unless it is being typed."""
        self.views.clear()
        self.views.addItems([title(view, place) for place, view in enumerate(state.views, start=1)])
        for place, view in enumerate(state.views):
            self.views.item(place).setToolTip(f"<p>{escape(view.note)}</p>" if view.note else "")
        self.views.setCurrentRow(state.current)
        chosen = 0 <= state.current < len(state.views)
        self.remove.setEnabled(chosen)
        if not self.note.hasFocus():
            self.note.setText(state.views[state.current].note if chosen else "")

    def _connect(self) -> None:
        self.views.itemActivated.connect(lambda _item: self.chosen.emit(self.views.currentRow()))
        self.views.itemClicked.connect(lambda _item: self.chosen.emit(self.views.currentRow()))
        self.keep.clicked.connect(lambda _on=False: self.keep_wanted.emit(self.note.text()))
        self.remove.clicked.connect(lambda _on=False: self.remove_wanted.emit())
        self.note.editingFinished.connect(lambda: self.note_typed.emit(self.note.text()))
