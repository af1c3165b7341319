"""A curve on two axes, made of as little of pyqtgraph as that needs; imports it when called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QGraphicsGridLayout

from napari_virtual_ihc.widgets.train.words import steps_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QWidget

_HEIGHT, _NARROWEST = 78, 100
_LEFT_WIDTH, _BOTTOM_HEIGHT, _MARGIN = 42, 16, 4
_LOSS, _FIGURE = "#4aa3df", "#e69f00"
_FONT_PT = 7


@dataclass(frozen=True)
class Drawing:
    """A widget with a curve in it, and its parts.

    Attributes
    ----------
    widget
        To put into a layout; leaves mouse wheel and menus to the page.
    box, axes, line
        pyqtgraph's view box, axes and curve.
    """

    widget: QWidget
    box: Any
    axes: tuple[Any, Any]
    line: Any

    def show(self, steps: NDArray[Any], values: NDArray[Any], last_step: float) -> None:
        """Draw values over the steps from 0 to ``last_step``."""
        self.box.setXRange(0, last_step, padding=0.03)
        self.line.setData(steps, values)

    def points(self) -> int:
        """Return how many points are drawn."""
        drawn = self.line.getData()[0]
        return 0 if drawn is None else len(drawn)

    def set_ink(self, colour: str) -> None:
        """Draw the axes in this colour."""
        for axis in self.axes:
            axis.setPen(colour)
            axis.setTextPen(colour)


def make_drawing(*, judges: bool) -> Drawing:
    """Return an empty drawing; validation figures, which are few, are drawn with their points."""
    import pyqtgraph

    box = pyqtgraph.ViewBox(enableMenu=False, enableMouse=False)
    left, bottom = pyqtgraph.AxisItem("left"), _step_axis()
    whole = pyqtgraph.GraphicsWidget()
    grid = QGraphicsGridLayout(whole)
    grid.setContentsMargins(0, _MARGIN, _MARGIN, 0)
    grid.setSpacing(0)
    for item, row, column in ((left, 0, 0), (box, 0, 1), (bottom, 1, 1)):
        grid.addItem(item, row, column)
    view = _view()
    view.setCentralItem(whole)
    for axis in (left, bottom):
        axis.linkToView(box)
        axis.enableAutoSIPrefix(False)
        font = view.font()
        font.setPointSize(_FONT_PT)
        axis.setStyle(tickLength=-3, maxTickLevel=0, tickFont=font)
    left.setWidth(_LEFT_WIDTH)
    bottom.setHeight(_BOTTOM_HEIGHT)
    line = pyqtgraph.PlotDataItem(**_style(judges))
    box.addItem(line)
    return Drawing(view, box, (left, bottom), line)


def _style(judges: bool) -> dict[str, Any]:
    import pyqtgraph

    if not judges:
        return {"pen": pyqtgraph.mkPen(_LOSS, width=1.5)}
    dots = {"symbol": "o", "symbolSize": 4, "symbolBrush": _FIGURE, "symbolPen": None}
    return {"pen": pyqtgraph.mkPen(_FIGURE, width=1.5), **dots}


def _step_axis() -> Any:
    import pyqtgraph

    class StepAxis(pyqtgraph.AxisItem):
        """Counts steps in thousands and millions."""

        def tickStrings(self, values: Sequence[float], scale: float, _spacing: float) -> list[str]:
            """Return the words beside the ticks."""
            return [steps_text(value * scale) for value in values]

    return StepAxis("bottom")


def _view() -> Any:
    import pyqtgraph

    class View(pyqtgraph.GraphicsView):
        """Lets the page scroll."""

        def wheelEvent(self, event: QEvent | None) -> None:
            """Pass the wheel on."""
            if event is not None:
                event.ignore()

    view = View(background=None)
    view.setStyleSheet("background: transparent; border: none;")
    view.setAntialiasing(True)
    view.setFixedHeight(_HEIGHT)
    view.setMinimumWidth(_NARROWEST)
    return view
