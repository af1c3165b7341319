"""Live curves: one small plot for each validation figure and each loss term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.look import message_label, show_message
from napari_virtual_ihc.widgets.train_words import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.widgets.train_model import Curve

NO_PYQTGRAPH = "Curves need pyqtgraph: pip install “napari-virtual-ihc[train]”."
_COLUMNS = 2
_ROW_HEIGHT, _LEFT_WIDTH, _BOTTOM_HEIGHT = 96, 34, 16
_LOSS, _FIGURE = "#4aa3df", "#e69f00"
_FONT_PT = 7


class Plots(QWidget):
    """Small plots side by side; pyqtgraph is imported when the first curve is shown."""

    def __init__(self) -> None:
        super().__init__()
        self._graphics: Any = None
        self._plots: dict[str, Any] = {}
        self._lines: dict[str, Any] = {}
        self._shown: Sequence[Curve] = ()
        self.missing = message_label("")
        self._ink = QLabel()
        self._ink.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.missing)
        layout.addWidget(self._ink)

    def show_curves(self, curves: Sequence[Curve], able: bool | None) -> None:
        """Show these curves, if curves can be drawn; the very same ones are not drawn again."""
        show_message(self.missing, NO_PYQTGRAPH if able is False and curves else "")
        if not able or curves is self._shown:
            return
        self._shown = curves
        if [curve.name for curve in curves] != list(self._plots):
            self._arrange(curves)
        for curve in curves:
            self._draw(curve)

    def points(self, name: str) -> int:
        """Return how many points the curve of a term has on screen."""
        drawn = self._lines[name].getData()[0]
        return 0 if drawn is None else len(drawn)

    def titles(self) -> list[str]:
        """Return the names of the plots in their order."""
        return list(self._plots)

    def changeEvent(self, event: QEvent | None) -> None:
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange and self._plots:
            curves, self._plots = self._shown, {}
            self._shown = ()
            self.show_curves(curves, True)

    def _arrange(self, curves: Sequence[Curve]) -> None:
        if self._graphics is None:
            self._graphics = make_graphics()
            self.layout().addWidget(self._graphics)
        self._graphics.clear()
        self._plots, self._lines = {}, {}
        rows = -(-len(curves) // _COLUMNS)
        for index, curve in enumerate(curves):
            place = divmod(index, _COLUMNS)
            self._add(curve, *place)
        self._graphics.setFixedHeight(rows * _ROW_HEIGHT)
        self._graphics.setVisible(bool(curves))

    def _add(self, curve: Curve, row: int, column: int) -> None:
        import pyqtgraph

        ink = self._text_colour()
        plot = self._graphics.addPlot(row=row, col=column)
        plot.setMouseEnabled(x=False, y=False)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setPen(ink)
            axis.setTextPen(ink)
            axis.setStyle(tickLength=-3, maxTickLevel=0, tickFont=small_font(self))
            axis.enableAutoSIPrefix(False)
        plot.getAxis("left").setWidth(_LEFT_WIDTH)
        plot.getAxis("bottom").setHeight(_BOTTOM_HEIGHT)
        colour = _FIGURE if curve.protocol else _LOSS
        symbol = {"symbol": "o", "symbolSize": 4, "symbolBrush": colour, "symbolPen": None}
        pen = pyqtgraph.mkPen(colour, width=1.5)
        self._lines[curve.name] = plot.plot(pen=pen, **(symbol if curve.protocol else {}))
        plot.setToolTip(f"{curve.name}: {curve.protocol}" if curve.protocol else curve.name)
        self._plots[curve.name] = plot

    def _draw(self, curve: Curve) -> None:
        self._lines[curve.name].setData(curve.steps + 1.0, curve.values)
        title = f"{words_of(curve.name)}  {curve.last:.3g}"
        self._plots[curve.name].setTitle(title, size=f"{_FONT_PT + 1}pt", color=self._text_colour())

    def _text_colour(self) -> str:
        """Return the colour of words in the present theme."""
        self._ink.ensurePolished()
        return str(self._ink.palette().color(self._ink.foregroundRole()).name())


def small_font(widget: QWidget) -> Any:
    """Return the font of ``widget``, small enough for numbers beside an axis."""
    font = widget.font()
    font.setPointSize(_FONT_PT)
    return font


def make_graphics() -> Any:
    """Return an empty place for plots that leaves the wheel to the page."""
    import pyqtgraph

    class Graphics(pyqtgraph.GraphicsLayoutWidget):
        """Lets the page scroll."""

        def wheelEvent(self, event: QEvent | None) -> None:
            """Pass the wheel on."""
            if event is not None:
                event.ignore()

    graphics = Graphics()
    graphics.setBackground(None)
    graphics.setAntialiasing(True)
    graphics.ci.layout.setContentsMargins(0, 0, 0, 0)
    graphics.ci.layout.setSpacing(0)
    return graphics
