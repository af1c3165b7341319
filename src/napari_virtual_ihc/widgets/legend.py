"""The legend of a map: its colours with both ends, its title and its formula, on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QColor, QFont, QImage, QPainter
from qtpy.QtWidgets import QWidget

from napari_virtual_ihc.tiles.heat import palette

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_virtual_ihc.tiles.heat import HeatScale

_BAR, _FINE_PRINT = 12, 7
_MARGIN, _PAD = 10, 8
_UNDER_BANNER = 44
_NARROW = 460
"""A canvas that is less wide gets a small legend."""


class _Size(NamedTuple):
    """Sizes in px, but the font's in points."""

    width: int
    height: int
    title: int
    row: int
    patch: int
    points: int
    below: int


_LARGE, _SMALL = _Size(210, 62, 22, 16, 11, 9, 14), _Size(170, 54, 18, 13, 9, 7, 26)
CLEAR = "clear: no value here, or not yet computed"
"""A map is made where it is looked at, and what has no tile yet looks like glass."""


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
        self._size = _LARGE
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
        """Move to the top right corner of the canvas, smaller where that is narrow."""
        canvas = self.parentWidget()
        if canvas is not None:
            self._size = size = _SMALL if canvas.width() < _NARROW else _LARGE
            classes = 0 if self.scale is None else len(self.scale.classes)
            tall = size.title + size.row * classes + _PAD if classes else size.height
            width = min(size.width, canvas.width() - 2 * _MARGIN)
            left = canvas.width() - width - _MARGIN
            self.setGeometry(left, _UNDER_BANNER, width, tall + size.below)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the title, and a bar with its ends or a patch for each class."""
        if self.scale is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(255, 255, 255, 235))
        painter.setPen(QColor(40, 40, 40))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.setFont(QFont(painter.font().family(), self._size.points))
        inner = self.rect().adjusted(_PAD, _PAD // 2, -_PAD, -_PAD // 2)
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop, self.scale.title)
        if self.scale.classes:
            _draw_classes(painter, inner, self.scale, self._size)
        else:
            _draw_bar(painter, inner.adjusted(0, 0, 0, -self._size.below), self.scale)
        painter.setFont(QFont(painter.font().family(), _FINE_PRINT))
        painter.drawText(inner, Qt.AlignmentFlag.AlignBottom | Qt.TextFlag.TextWordWrap, CLEAR)
        painter.end()


def _draw_bar(painter: QPainter, inner: QRect, scale: HeatScale) -> None:
    bar = QRect(inner.left(), inner.center().y() - _BAR // 2 + 2, inner.width(), _BAR)
    painter.drawImage(bar, _bar(scale.colormap))
    low = f"≤ {scale.low:g}".replace("-", "−") if scale.low < 0 else f"{scale.low:g}"
    bottom = Qt.AlignmentFlag.AlignBottom
    painter.drawText(inner, bottom | Qt.AlignmentFlag.AlignLeft, low)
    unit = "" if " to " in scale.unit else f" {scale.unit}"
    high = f"≥ {scale.high:g}{unit}"
    painter.drawText(inner, bottom | Qt.AlignmentFlag.AlignRight, high)


def _draw_classes(painter: QPainter, inner: QRect, scale: HeatScale, size: _Size) -> None:
    for index, (words, colour) in enumerate(scale.classes):
        top = inner.top() + size.title - _PAD // 2 + index * size.row
        patch = QRect(inner.left(), top + (size.row - size.patch) // 2, size.patch, size.patch)
        painter.fillRect(patch, QColor(*colour))
        place = QRect(patch.right() + _PAD, top, inner.width(), size.row)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, words)


def _bar(colormap: str) -> QImage:
    colours = np.ascontiguousarray(palette(colormap)[None])
    width = colours.shape[1]
    return QImage(colours.data, width, 1, 3 * width, QImage.Format.Format_RGB888).copy()
