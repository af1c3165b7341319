"""The overview: the whole slide in a corner of the canvas, with the view's rectangle on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtGui import QMouseEvent, QPaintEvent

LONG_SIDE = 200
_SOON_MS = 90
"""A widget over the canvas that changes has the whole window drawn anew: not in every frame."""
_WIDEST = 0.4
"""Of the canvas."""
_MARGIN = 10
_SMALLEST = 6.0


class Overview(QWidget):
    """A picture of the slide that says where the view is; click or drag to look elsewhere.

    Parameters
    ----------
    canvas
        The widget it lies on, bottom right.
    """

    looked_at = Signal(float, float)
    """Centre wanted by the user, (y, x) in µm."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._whole: QPixmap | None = None
        self._picture: QPixmap | None = None
        self._size_um = (1.0, 1.0)
        self._view: tuple[tuple[float, float], ...] = ((0, 0),) * 4
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self.update)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Overview: click or drag to look there (N hides it)")
        self.hide()

    def set_picture(self, rgb: NDArray[np.uint8], size_um: tuple[float, float]) -> None:
        """Show ``rgb`` (YX3) as the whole slide of ``size_um`` (height, width)."""
        height, width = rgb.shape[:2]
        pixels = np.ascontiguousarray(rgb)
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        self._size_um = size_um
        self._whole, self._picture = QPixmap.fromImage(image), None
        self.place()

    def set_view(self, corners: Sequence[tuple[float, float]]) -> None:
        """Draw the view's rectangle, which may be turned, with these ``corners`` (y, x) in µm."""
        if tuple(corners) != self._view:
            self._view = tuple(corners)
            if not self._soon.isActive():
                self._soon.start()

    def place(self) -> None:
        """Move to the bottom right corner of the canvas, smaller where that is narrow."""
        canvas = self.parentWidget()
        if canvas is not None:
            self._fit(min(LONG_SIDE, _WIDEST * canvas.width(), _WIDEST * canvas.height()))
            self.move(
                canvas.width() - self.width() - _MARGIN, canvas.height() - self.height() - _MARGIN
            )

    def has_picture(self) -> bool:
        """Whether there is a slide to show."""
        return self._whole is not None

    def rectangle(self) -> QRectF:
        """Return what holds the view's rectangle, in widget pixels, never too small to see."""
        wanted = self._polygon().boundingRect()
        grow_x = max(0.0, _SMALLEST - wanted.width()) / 2
        grow_y = max(0.0, _SMALLEST - wanted.height()) / 2
        return wanted.adjusted(-grow_x, -grow_y, grow_x, grow_y)

    def _polygon(self) -> QPolygonF:
        per_y, per_x = self.height() / self._size_um[0], self.width() / self._size_um[1]
        return QPolygonF([QPointF(x * per_x, y * per_y) for y, x in self._view])

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw picture, frame and rectangle."""
        if self._picture is None:
            return
        painter = QPainter(self)
        painter.drawPixmap(self.rect(), self._picture)
        tiny = self.rectangle() != self._polygon().boundingRect()
        shape = QPolygonF(self.rectangle()) if tiny else self._polygon()
        for colour, width in ((QColor(255, 255, 255), 3), (QColor(20, 60, 200), 1.4)):
            painter.setPen(QPen(colour, width))
            painter.drawPolygon(shape.intersected(QPolygonF(QRectF(self.rect()))))
        painter.setPen(QPen(QColor(40, 40, 40), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Look where the user clicked."""
        self._look(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Follow the drag."""
        self._look(event)

    def _fit(self, side: float) -> None:
        """Take ``side`` px for the longer side of the slide."""
        height, width = (max(24, round(um * side / max(self._size_um))) for um in self._size_um)
        if self._whole is None or (self._picture and self.size() == QSize(width, height)):
            return
        self.resize(width, height)
        self._picture = self._whole.scaled(
            self.size() * self.devicePixelRatio(),
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )

    def _look(self, event: QMouseEvent | None) -> None:
        if event is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        place = event.position()
        y = min(max(place.y() / self.height(), 0.0), 1.0) * self._size_um[0]
        x = min(max(place.x() / self.width(), 0.0), 1.0) * self._size_um[1]
        event.accept()
        self.looked_at.emit(y, x)
