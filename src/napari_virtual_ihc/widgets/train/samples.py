"""Sample pictures of a run over time: H&E, virtual and real side by side."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QRect, QSize, Qt, Signal
from qtpy.QtGui import QImage, QPainter
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.widgets.look import row
from napari_virtual_ihc.widgets.train.editors import keep_from_wheel
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtGui import QMouseEvent, QPaintEvent

_SHOWN_WIDTH = 900
_COLUMNS = ("H&E", "VIRTUAL", "real IHC")


class Picture(QWidget):
    """Paints a picture as wide as there is room."""

    pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.image = QImage()
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_image(self, image: QImage) -> None:
        """Show another picture."""
        same = image.size() == self.image.size()
        self.image = image
        if not same:
            self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """Its height follows from its width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height at which nothing is distorted."""
        shown = self.image
        return 0 if shown.isNull() else round(width * shown.height() / shown.width())

    def sizeHint(self) -> QSize:
        """Return a modest size."""
        return QSize(200, self.heightForWidth(200))

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Draw the picture."""
        if self.image.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        height = min(self.heightForWidth(self.width()), self.height())
        painter.drawImage(QRect(0, 0, self.width(), height), self.image)
        painter.end()

    def mousePressEvent(self, _event: QMouseEvent | None) -> None:
        """Tell that it was pressed."""
        self.pressed.emit()


class Samples(QWidget):
    """The newest sample picture, and a slider back in time."""

    def __init__(self) -> None:
        super().__init__()
        self._files: tuple[Path, ...] = ()
        self._reading: Work[QImage] | None = None
        self._enlarging: Work[QImage] | None = None
        self.caption = QLabel()
        self.columns = _evenly(_COLUMNS)
        self.picture = Picture()
        self.picture.setToolTip("Click to see it large")
        self.picture.pressed.connect(self.enlarge)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Back in time")
        self.slider.valueChanged.connect(self._on_slid)
        keep_from_wheel(self.slider)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for widget in (row(self.caption, self.slider), self.columns, self.picture):
            layout.addWidget(widget)
        self.hide()

    def show_samples(self, files: tuple[Path, ...], *, translated: bool) -> None:
        """Offer these pictures, oldest first; the newest is shown unless one looks back.

        Parameters
        ----------
        translated
            Whether they show H&E, virtual and real IHC side by side.
        """
        self.columns.setVisible(translated)
        if files == self._files:
            return
        same_run = bool(self._files and files) and self._files[0].parent == files[0].parent
        at_end = not same_run or self.slider.value() == self.slider.maximum()
        self._files = files
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(len(files) - 1, 0))
        if at_end:
            self.slider.setValue(self.slider.maximum())
        self.slider.blockSignals(False)
        self.slider.setEnabled(len(files) > 1)
        self.setVisible(bool(files))
        self._on_slid()

    def file(self) -> Path | None:
        """Return the file that is shown."""
        return self._files[self.slider.value()] if self._files else None

    def close_reading(self) -> None:
        """Read no picture any more."""
        for work in (self._reading, self._enlarging):
            if work is not None:
                work.cancel()

    def enlarge(self) -> None:
        """Show the picture in its full size, in a window of its own."""
        file = self.file()
        if file is not None:
            self._enlarging = Work(partial(read_image, file, None), "reads a sample")
            self._enlarging.finished.connect(self._on_enlarged)
            self._enlarging.start()

    def _on_enlarged(self, image: QImage) -> None:
        show_large(self, image, self.caption.text())

    def _on_slid(self) -> None:
        file = self.file()
        self.close_reading()
        if file is None:
            return
        self.caption.setText(caption_of(file, newest=file == self._files[-1]))
        self._reading = Work(partial(read_image, file, _SHOWN_WIDTH), "reads a sample")
        self._reading.finished.connect(self.picture.show_image)
        self._reading.start()


def caption_of(file: Path, *, newest: bool) -> str:
    """Return which step a sample is of."""
    digits = re.search(r"\d+", file.stem)
    step = f"Step {int(digits.group()):,}" if digits else file.stem
    return f"{step}, newest" if newest else step


def read_image(file: Path, width: int | None, _progress: object = None) -> QImage:
    """Read a picture, made as narrow as ``width`` px where given.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    image = QImage(str(file))
    if image.isNull():
        raise DataError(f"{file} cannot be read as a picture.")
    if width is None or image.width() <= width:
        return image
    return image.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)


def show_large(parent: QWidget, image: QImage, title: str) -> None:
    """Show a picture in its full size until its window is closed."""
    dialog = QDialog(parent)
    dialog.setWindowTitle(f"{title}: {' · '.join(_COLUMNS)}")
    picture = Picture()
    picture.show_image(image)
    picture.setMinimumSize(image.size())
    area = QScrollArea()
    area.setWidget(picture)
    layout = QVBoxLayout(dialog)
    layout.addWidget(area)
    dialog.resize(min(image.width() + 60, 1400), min(image.height() + 60, 900))
    dialog.exec()
    dialog.deleteLater()


def _evenly(words: tuple[str, ...]) -> QWidget:
    """Return words above columns of equal width."""
    box = QWidget()
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    for word in words:
        label = QLabel(word)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout.addWidget(label, 1)
    return box
