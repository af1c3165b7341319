"""Live curves: one small plot for each validation figure and each loss term."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.look import message_label, show_message
from napari_virtual_ihc.widgets.train.drawing import make_drawing
from napari_virtual_ihc.widgets.train.words import number_text, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.widgets.train.model import Curve

NO_PYQTGRAPH = "Curves need pyqtgraph: pip install “napari-virtual-ihc[train]”."
_COLUMNS = 2
_TITLE_PT = 8


class Plots(QWidget):
    """Small plots side by side; pyqtgraph is imported when the first curve is shown."""

    def __init__(self) -> None:
        super().__init__()
        self._plots: dict[str, Plot] = {}
        self._shown: Sequence[Curve] = ()
        self.missing = message_label("")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._grid.addWidget(self.missing, 0, 0, 1, _COLUMNS)
        for column in range(_COLUMNS):
            self._grid.setColumnStretch(column, 1)

    def show_curves(self, curves: Sequence[Curve], able: bool | None) -> None:
        """Show these curves, if curves can be drawn; the very same ones are not drawn again."""
        show_message(self.missing, NO_PYQTGRAPH if able is False and curves else "")
        if not able or curves is self._shown:
            return
        self._shown = curves
        if [curve.name for curve in curves] != list(self._plots):
            self._arrange(curves)
        last = max((float(curve.steps[-1]) for curve in curves), default=0.0)
        for curve in curves:
            self._plots[curve.name].show_curve(curve, max(last, 1.0))

    def points(self, name: str) -> int:
        """Return how many points the curve of a term has on screen."""
        return self._plots[name].points()

    def titles(self) -> list[str]:
        """Return the names of the plots in their order."""
        return list(self._plots)

    def _arrange(self, curves: Sequence[Curve]) -> None:
        for plot in self._plots.values():
            plot.hide()
            plot.deleteLater()
        self._plots = {curve.name: Plot(curve) for curve in curves}
        for index, plot in enumerate(self._plots.values()):
            self._grid.addWidget(plot, 1 + index // _COLUMNS, index % _COLUMNS)


class Plot(QWidget):
    """One curve over the steps, its name and newest value above it.

    Parameters
    ----------
    curve
        Whose plot it will be.
    """

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self._title = QLabel()
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._title.setStyleSheet(f"font-size: {_TITLE_PT}pt;")
        self._ink = ""
        self._drawing = make_drawing(judges=bool(curve.protocol))
        self.setToolTip(f"{curve.name}: {curve.protocol}" if curve.protocol else curve.name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._title)
        layout.addWidget(self._drawing.widget)

    def show_curve(self, curve: Curve, last_step: float) -> None:
        """Draw a curve over the steps from 0 to ``last_step``."""
        self._take_ink()
        self._title.setText(f"{words_of(curve.name)} {number_text(curve.last)}")
        self._drawing.show(curve.steps, curve.values, last_step)

    def points(self) -> int:
        """Return how many points are drawn."""
        return self._drawing.points()

    def changeEvent(self, event: QEvent | None) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._take_ink()

    def _take_ink(self) -> None:
        """Draw the axes in the colour that words have in the present theme."""
        self._title.ensurePolished()
        ink = str(self._title.palette().color(self._title.foregroundRole()).name())
        if ink != self._ink:
            self._ink = ink
            self._drawing.set_ink(ink)
