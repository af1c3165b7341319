"""The numbers of one measured region: share, tables and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_virtual_ihc.comparison.plots import against_size, bland_altman, scatter, to_plot
from napari_virtual_ihc.widgets.compare.drawing_view import DrawingView
from napari_virtual_ihc.widgets.compare.words import (
    agreement_table,
    caution_line,
    measured,
    of_measure,
    region_table,
    share_line,
    verdict_table,
)
from napari_virtual_ihc.widgets.look import AMBER, message_label, row, show_message, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.comparison.drawing import Drawing
    from napari_virtual_ihc.widgets.compare.measuring import Answer

_CLICK = "Click a dot to look at its square"


class Results(QWidget):
    """What was measured; hidden while there is nothing."""

    measure_chosen = Signal(str)
    square_clicked = Signal(object, int)
    """The `Paired` of the plot, and the index of the square."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Answer | None, str] = (None, "")
        self._plotted: Paired | None = None
        self.share, self.caution = message_label(""), message_label(AMBER)
        self.verdicts, self.table, self.agreement = (table_label() for _ in range(3))
        self.measures = widened(QComboBox())
        self.measures.setToolTip("Whose agreement is shown")
        self.scatter, self.bland_altman = DrawingView(_CLICK), DrawingView(_CLICK)
        self.sizes = DrawingView()
        self.protocol = message_label("font-size: 8pt;")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._choice = row("Agreement of", self.measures)
        for item in (
            self.share, self.caution, self.verdicts, self.table, self._choice, self.agreement,
            self.scatter, self.bland_altman, self.sizes, self.protocol,
        ):  # fmt: skip
            layout.addWidget(item)
        self.measures.activated.connect(self._on_measure_chosen)
        for plot in (self.scatter, self.bland_altman):
            plot.item_clicked.connect(self._on_item_clicked)

    def show_answer(self, answer: Answer | None, measure: str) -> None:
        """Show an answer, and of its agreements that of one measure."""
        self.setVisible(answer is not None)
        if answer is None or (answer, measure) == self._shown:
            return
        self._shown = answer, measure
        show_message(self.share, share_line(answer))
        show_message(self.caution, caution_line(answer))
        show_message(self.verdicts, verdict_table(answer))
        show_message(self.table, region_table(answer))
        show_message(self.protocol, answer.tally.protocol)
        self._offer(measured(answer.found), measure)
        self._show_agreement(
            of_measure(answer.found, measure) or of_measure(answer.found, "dab_area")
        )

    def drawings(self) -> list[Drawing]:
        """Return the plots that are shown, in their order."""
        views = (self.scatter, self.bland_altman, self.sizes)
        return [view.drawing for view in views if view.drawing is not None]

    def _offer(self, measures: Sequence[tuple[str, str]], chosen: str) -> None:
        self._choice.setVisible(bool(measures))
        self.measures.clear()
        for name, title in measures:
            self.measures.addItem(title, name)
        self.measures.setCurrentIndex(max(self.measures.findData(chosen), 0))

    def _show_agreement(self, found: Sequence[Paired]) -> None:
        show_message(self.agreement, agreement_table(found))
        plotted = self._plotted = to_plot(found)
        self.scatter.show_drawing(None if plotted is None else scatter(plotted))
        self.bland_altman.show_drawing(None if plotted is None else bland_altman(plotted))
        self.sizes.show_drawing(against_size(found) if found else None)

    def _on_measure_chosen(self, index: int) -> None:
        self.measure_chosen.emit(self.measures.itemData(index))

    def _on_item_clicked(self, item: int) -> None:
        self.square_clicked.emit(self._plotted, item)


def table_label() -> QLabel:
    """Return a label for a table in HTML, hidden while it is empty."""
    label = message_label("")
    label.setTextFormat(Qt.TextFormat.RichText)
    return label
