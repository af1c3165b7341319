"""Shows a drawing of marks in a page, as wide as the page; its items can be clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QBuffer, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_virtual_ihc.comparison.drawing import INK, Area, Dot, Line, Words, paper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from napari_virtual_ihc.comparison.drawing import Drawing, Mark

_REACH = 6.0
_NARROWEST = 240


class DrawingView(QWidget):
    """One drawing, in the colours of the theme.

    Parameters
    ----------
    tip
        What a click does, where items can be clicked.
    """

    item_clicked = Signal(int)

    def __init__(self, tip: str = "") -> None:
        super().__init__()
        self.drawing: Drawing | None = None
        self.setToolTip(tip)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.hide()

    def show_drawing(self, drawing: Drawing | None) -> None:
        """Show this drawing, or nothing."""
        if drawing is not self.drawing:
            self.drawing = drawing
            self.updateGeometry()
            self.update()
        self.setVisible(drawing is not None)

    def hasHeightForWidth(self) -> bool:
        """Say that the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height that keeps the drawing's shape."""
        drawing = self.drawing
        return 0 if drawing is None else round(width * drawing.height / drawing.width)

    def sizeHint(self) -> QSize:
        """Return the least size at which words can be read."""
        return self.minimumSizeHint()

    def minimumSizeHint(self) -> QSize:
        """Return the least size at which words can be read."""
        width = max(_NARROWEST, self.width())
        return QSize(_NARROWEST, self.heightForWidth(width))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw every mark."""
        if self.drawing is None:
            return
        painter = QPainter(self)
        scale = self._scale()
        painter.scale(scale, scale)
        paint(painter, self.drawing, self.palette().color(self.foregroundRole()))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Tell which item was clicked."""
        if event is None:
            return
        item = self.item_at(event.position())
        if item >= 0:
            self.item_clicked.emit(item)

    def item_at(self, place: QPointF) -> int:
        """Return the item of the dot nearest to a place in the widget, -1 for none near."""
        if self.drawing is None:
            return -1
        x, y = place.x() / self._scale(), place.y() / self._scale()
        dots = [one for one in self.drawing.marks if isinstance(one, Dot) and one.item >= 0]
        near = min(dots, key=lambda one: (one.x - x) ** 2 + (one.y - y) ** 2, default=None)
        if near is None or (near.x - x) ** 2 + (near.y - y) ** 2 > _REACH**2:
            return -1
        return near.item

    def _scale(self) -> float:
        return self.width() / self.drawing.width if self.drawing else 1.0


def paint(painter: QPainter, drawing: Drawing, ink: QColor) -> None:
    """Draw every mark; ``ink`` is the colour of words and axes."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for mark in drawing.marks:
        _paint(painter, mark, ink)


def png_of(drawings: Sequence[Drawing], scale: float) -> bytes:
    """Return drawings side by side on white as a PNG, ``scale`` px to a point; none for none."""
    if not drawings:
        return b""
    width = round(sum(one.width for one in drawings) * scale)
    height = round(max(one.height for one in drawings) * scale)
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    painter.scale(scale, scale)
    for one in drawings:
        paint(painter, one, QColor(paper(INK)))
        painter.translate(one.width, 0)
    painter.end()
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data().data())


def _paint(painter: QPainter, mark: Mark, ink: QColor) -> None:
    match mark:
        case Line():
            style = Qt.PenStyle.DashLine if mark.dashed else Qt.PenStyle.SolidLine
            painter.setPen(QPen(_colour(mark.colour, ink), mark.width, style))
            painter.drawLine(QPointF(mark.x1, mark.y1), QPointF(mark.x2, mark.y2))
        case Dot():
            colour = QColor(mark.colour)
            colour.setAlphaF(mark.opacity)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(QPointF(mark.x, mark.y), mark.radius, mark.radius)
        case Words():
            _paint_words(painter, mark, ink)
        case Area():
            rectangle = QRectF(mark.x, mark.y, mark.width, mark.height)
            painter.fillRect(rectangle, QColor(mark.colour))


def _paint_words(painter: QPainter, mark: Words, ink: QColor) -> None:
    font = QFont(painter.font())
    font.setPixelSize(round(mark.size))
    font.setBold(mark.bold)
    painter.setFont(font)
    painter.setPen(_colour(mark.colour, ink))
    width = QFontMetricsF(font).horizontalAdvance(mark.text)
    back = {"start": 0.0, "middle": width / 2, "end": width}[mark.anchor]
    painter.save()
    painter.translate(mark.x, mark.y)
    if mark.turned:
        painter.rotate(-90)
    painter.drawText(QPointF(-back, 0), mark.text)
    painter.restore()


def _colour(colour: str, ink: QColor) -> QColor:
    return ink if colour == INK else QColor(colour)
