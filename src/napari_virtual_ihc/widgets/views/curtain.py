"""The curtain's line: what is left and right of it by name, and a handle to drag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QLabel, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

_WIDTH, _LINE, _HANDLE = 17, 3, 44
_GAP = 6
_CAPTION = "background: rgba(24, 26, 32, 210); color: white; border-radius: 3px; padding: 3px 6px;"


class Curtain(QWidget):
    """A line over the canvas, from top to bottom.

    Parameters
    ----------
    canvas
        The widget it lies on.
    """

    dragged = Signal(float)
    """Where the line is wanted, 0 at the left of the canvas and 1 at its right."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._share = 0.5
        self._names = [QLabel(canvas), QLabel(canvas)]
        for name in self._names:
            name.setStyleSheet(_CAPTION)
            name.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            name.hide()
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setToolTip("Drag: more of the one layer, or of the other")
        self.hide()

    def show_at(self, share: float, left: str, right: str) -> None:
        """Lie at ``share`` of the width, between layers of these names."""
        self._share = share
        for label, text in zip(self._names, (left, right), strict=True):
            label.setText(text)
            label.adjustSize()
            label.show()
        self.show()
        self.place()

    def say(self, text: str) -> None:
        """Show no line, but the name of what is seen, clear of the banner; or nothing."""
        self.hide()
        self._names[1].hide()
        label = self._names[0]
        label.setText(text)
        label.adjustSize()
        canvas = self.parentWidget()
        label.move(_GAP, 0 if canvas is None else canvas.height() // 2 + _HANDLE)
        label.setVisible(bool(text))
        label.raise_()

    def place(self) -> None:
        """Follow the size of the canvas."""
        canvas = self.parentWidget()
        if canvas is None or not self.isVisible():
            return
        x = round(self._share * canvas.width())
        self.setGeometry(x - _WIDTH // 2, 0, _WIDTH, canvas.height())
        left, right = self._names
        y = canvas.height() // 2 + _HANDLE
        left.move(x - _GAP - left.width(), y)
        right.move(x + _GAP, y)
        self.raise_()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the line and its handle."""
        painter = QPainter(self)
        middle = self.width() // 2
        painter.fillRect(middle - 1, 0, _LINE, self.height(), QColor(255, 255, 255))
        painter.fillRect(middle, 0, 1, self.height(), QColor(20, 60, 200))
        top = (self.height() - _HANDLE) // 2
        painter.setBrush(QColor(20, 60, 200))
        painter.setPen(QColor(255, 255, 255))
        painter.drawRoundedRect(middle - 5, top, 11, _HANDLE, 5, 5)
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Follow the drag."""
        canvas = self.parentWidget()
        if event is None or canvas is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        x = self.mapTo(canvas, QPoint(round(event.position().x()), 0)).x()
        event.accept()
        self.dragged.emit(min(max(x / canvas.width(), 0.0), 1.0))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Keep the press from the canvas."""
        if event is not None:
            event.accept()
