"""The line above a canvas: which layer is seen in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from napari_virtual_ihc.widgets.look import CHOSEN, tool_button

if TYPE_CHECKING:
    from collections.abc import Sequence


class PaneHead(QWidget):
    """Names the layer of a canvas and offers the others.

    Parameters
    ----------
    closable
        Whether the canvas can be closed here.
    """

    chosen = Signal(int)
    """Index of the layer wanted."""
    close_requested = Signal()
    link_wanted = Signal(bool)

    def __init__(self, *, closable: bool) -> None:
        super().__init__()
        self.choice = QComboBox()
        self.choice.setToolTip("The layer to see in this pane")
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.choice.activated.connect(self.chosen)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.addWidget(self.choice, 1)
        self.link = tool_button("linked", "Linked to the others; off: pan this pane alone", None)
        self.link.setCheckable(True)
        self.link.setStyleSheet(CHOSEN)
        self.link.setChecked(True)
        self.link.clicked.connect(self.link_wanted)
        layout.addWidget(self.link)
        self.link.setVisible(closable)
        if closable:
            layout.addWidget(tool_button("✕", "Close this pane", self.close_requested.emit))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_linked(self, on: bool) -> None:
        """Show whether the pane is linked to the others."""
        self.link.setChecked(on)

    def offer(self, names: Sequence[str], index: int) -> None:
        """Offer layers by name, of which the one at ``index`` is seen."""
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems(names)
        self.choice.setCurrentIndex(index)
        self.choice.blockSignals(False)
