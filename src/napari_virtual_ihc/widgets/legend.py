"""The legend of a map: its colours with both ends, its title and its formula, on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter
from qtpy.QtWidgets import QWidget

from napari_virtual_ihc.tiles.heat import palette

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_virtual_ihc.tiles.heat import HeatScale

_WIDTH, _HEIGHT, _BAR = 210, 62, 12
_MARGIN, _PAD = 10, 8
_POINTS = 9


class Legend(QWidget):
    """Says what the colours of the map on top mean; lies at the top right of the canvas.

    Parameters
    ----------
    canvas
        The widget it lies on.
    """

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.scale: HeatScale | None = None
        self.resize(_WIDTH, _HEIGHT)
        self.hide()

    def show_scale(self, scale: HeatScale | None) -> None:
        """Show this scale, or nothing."""
        if scale != self.scale:
            self.scale = scale
            self.setToolTip("" if scale is None else scale.formula)
            self.update()
        self.setVisible(scale is not None)
        self.place()

    def place(self) -> None:
        """Move to the top right corner of the canvas."""
        canvas = self.parentWidget()
        if canvas is not None:
            self.move(canvas.width() - self.width() - _MARGIN, _MARGIN)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw title, bar and the values at its ends."""
        if self.scale is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(255, 255, 255, 235))
        painter.setPen(QColor(40, 40, 40))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.setFont(QFont(painter.font().family(), _POINTS))
        inner = self.rect().adjusted(_PAD, _PAD // 2, -_PAD, -_PAD // 2)
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop, self.scale.title)
        bar = QRect(inner.left(), self.height() // 2 - _BAR // 2 + 2, inner.width(), _BAR)
        painter.drawImage(bar, _bar(self.scale.colormap))
        low, high = f"{self.scale.low:g}", f"≥ {self.scale.high:g} {self.scale.unit}"
        bottom = Qt.AlignmentFlag.AlignBottom
        painter.drawText(inner, bottom | Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(inner, bottom | Qt.AlignmentFlag.AlignRight, high)
        painter.end()


def _bar(colormap: str) -> QImage:
    colours = np.ascontiguousarray(palette(colormap)[None])
    width = colours.shape[1]
    return QImage(colours.data, width, 1, 3 * width, QImage.Format.Format_RGB888).copy()
