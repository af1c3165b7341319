"""The buttons of how to look: one picture or several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.look import CHOSEN, row, tool_button
from napari_virtual_ihc.widgets.panes import MOST

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.session import Session


class ViewingBox(QWidget):
    """Says how the layers of a window are seen, and lets it be changed.

    Parameters
    ----------
    session
        The window.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._panes = session.panes
        self.one = tool_button("one", "One picture (J)", self._show_one)
        self.side = tool_button("side by side", "Two linked pictures (J)", self._show_side)
        self.more = tool_button("+", "One picture more", self._show_more)
        for button in (self.one, self.side):
            button.setCheckable(True)
            button.setStyleSheet(CHOSEN)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row("View", self.one, self.side, self.more, 1))
        self._panes.changed.connect(self.show_state)
        self.show_state()

    def show_state(self) -> None:
        """Show which way of looking is on."""
        count = 1 + len(self._panes.all())
        self.one.setChecked(count == 1)
        self.side.setChecked(count > 1)
        self.more.setEnabled(1 < count < MOST)

    def _show_one(self) -> None:
        self._panes.arrange(1)

    def _show_side(self) -> None:
        self._panes.arrange(max(2, 1 + len(self._panes.all())))

    def _show_more(self) -> None:
        self._panes.arrange(2 + len(self._panes.all()))
