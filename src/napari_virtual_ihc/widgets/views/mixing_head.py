"""The line above a canvas that shows two layers: which two, and how much of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QSlider, QWidget

from napari_virtual_ihc.widgets.look import tool_button
from napari_virtual_ihc.widgets.views.mixing_model import Way

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEPS = 100


class MixingHead(QWidget):
    """Names two layers, offers others, and has a slider where one fades into the other."""

    pair_wanted = Signal(int, int)
    swap_wanted = Signal()
    share_wanted = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = QComboBox(), QComboBox()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setToolTip("How much of the layer on the right")
        self.slider.valueChanged.connect(self._on_slid)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        for box in (self.first, self.second):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.activated.connect(self._on_chosen)
        layout.addWidget(self.first, 2)
        layout.addWidget(self.slider, 1)
        layout.addWidget(tool_button("⇄", "Let them change sides (Shift+J)", self.swap_wanted.emit))
        layout.addWidget(self.second, 2)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def offer(self, names: Sequence[str], chosen: Sequence[int], way: Way) -> None:
        """Offer layers by name; the two at the indices ``chosen`` are seen."""
        for box, index in zip((self.first, self.second), chosen, strict=True):
            box.blockSignals(True)
            box.clear()
            box.addItems(names)
            box.setCurrentIndex(index)
            box.blockSignals(False)
        self.slider.setVisible(way in (Way.CURTAIN, Way.OPACITY))

    def show_share(self, share: float) -> None:
        """Put the slider where the curtain is, or the fading."""
        self.slider.blockSignals(True)
        self.slider.setValue(round(share * _STEPS))
        self.slider.blockSignals(False)

    def _on_slid(self, value: int) -> None:
        self.share_wanted.emit(value / _STEPS)

    def _on_chosen(self, _index: int) -> None:
        self.pair_wanted.emit(self.first.currentIndex(), self.second.currentIndex())
