"""The Translate page: a thin view on :class:`Translation` and its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFrame,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QToggleSwitch

from napari_virtual_ihc.widgets.look import (
    AMBER,
    RED,
    RED_LINK,
    message_label,
    row,
    show_message,
    tool_button,
)
from napari_virtual_ihc.widgets.translate.model import (
    NO_MODEL,
    NO_SCALE,
    NO_SLIDE,
    TranslateState,
    cache_text,
    failed_text,
    progress_text,
)
from napari_virtual_ihc.widgets.translate.settings import TranslateSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

_BY_CONTENTS_LENGTH = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon


class TranslatePage(QWidget):
    """Shows a :class:`TranslateState` and says what the user asked for; decides nothing.

    Parameters
    ----------
    state
        What to show.
    """

    model_chosen = Signal(str)
    card_requested = Signal()
    live_switched = Signal(bool)
    setting_changed = Signal(str, str)
    region_requested = Signal(str)
    export_requested = Signal()
    fill_switched = Signal(bool)
    failures_requested = Signal()
    cancel_requested = Signal()

    def __init__(self, state: TranslateState) -> None:
        super().__init__()
        self._state = state
        self._make_controls()
        self._make_messages()
        self._lay_out()
        self._connect()
        state.events.connect(self._on_state_changed)
        self.show_state()

    def set_models(self, names: Sequence[str], titles: Sequence[str]) -> None:
        """Offer these models; a title says name, marker and tissue."""
        self.models.blockSignals(True)
        self.models.clear()
        for name, title in zip(names, titles, strict=True):
            self.models.addItem(title, name)
        self.models.setCurrentIndex(self.models.findData(self._state.model))
        self.models.blockSignals(False)
        self.models.setEnabled(bool(names))

    def show_state(self) -> None:
        """Show every field of the state."""
        state = self._state
        self._show_switches(state)
        self._show_progress(state)
        self.settings.show_state(state)
        show_message(self.caution, state.caution)
        show_message(self.error, state.error)
        show_message(self.hint, self._hint(state))
        show_message(self.notice, state.notice)
        numbers = state.numbers
        self.numbers.setText(numbers.text() if numbers else "")
        self.numbers.setToolTip(f"Measured by: {numbers.protocol}" if numbers else "")
        self.numbers.setVisible(numbers is not None)
        self.line.setVisible(numbers is not None)

    def forget_state(self) -> None:
        """Stop listening to the state."""
        self._state.events.disconnect(self._on_state_changed)

    def _make_controls(self) -> None:
        self.models = QComboBox()
        self.models.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.models.setMinimumContentsLength(14)
        self.models.setSizeAdjustPolicy(_BY_CONTENTS_LENGTH)
        self.card = tool_button("card", "The model's card: data, figures, licence, limits")
        self.live = QToggleSwitch("Live")
        self.live.setToolTip("Translate what is on screen as you look around (W)")
        self.draw = tool_button("draw", "Draw rectangles or outlines to translate and measure")
        self.click = tool_button("click", "Click a place: a field around it is translated")
        self.view = tool_button("view", "Translate and measure what is on screen (K)")
        self.click.setCheckable(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(10)
        self.counts = QLabel()
        self.failed = QToolButton()
        self.failed.setStyleSheet(RED_LINK)
        self.failed.setToolTip("Why they failed")
        self.cancel = tool_button("Stop", "Stop this")
        self.cache = QLabel()
        self.export = QPushButton("Export…")
        self.export.setToolTip("Write the whole virtual slide as OME-Zarr or OME-TIFF")
        self.fill = QPushButton("Fill slide")
        self.fill.setCheckable(True)
        self.fill.setToolTip("Translate the whole slide in idle time, nearest first")
        self.settings = TranslateSettings()

    def _make_messages(self) -> None:
        self.caution = message_label(AMBER)
        self.error = message_label(RED)
        self.hint = message_label("")
        self.notice = message_label("")
        self.numbers = QLabel()
        self.numbers.setWordWrap(True)
        self.line = QFrame()
        self.line.setFrameShape(QFrame.Shape.HLine)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        items: list[QWidget] = [
            self.hint,
            row("Model", self.models, self.card),
            row(self.live, 1, "Region", self.draw, self.click, self.view),
            self.settings,
            self.bar,
            row(self.counts, self.failed, 1, self.cancel),
            row(self.cache, 1, self.export, self.fill),
            self.caution,
            self.error,
            self.notice,
            self.line,
            self.numbers,
        ]
        for item in items:
            layout.addWidget(item)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.models.activated.connect(self._on_model_activated)
        self.card.clicked.connect(self.card_requested)
        self.live.toggled.connect(self.live_switched)
        self.fill.toggled.connect(self.fill_switched)
        self.export.clicked.connect(self.export_requested)
        self.failed.clicked.connect(self.failures_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.draw.clicked.connect(self._on_draw_clicked)
        self.view.clicked.connect(self._on_view_clicked)
        self.click.toggled.connect(self._on_click_toggled)
        self.settings.chosen.connect(self.setting_changed)

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()

    def _on_model_activated(self, index: int) -> None:
        self.model_chosen.emit(self.models.itemData(index))

    def _on_draw_clicked(self) -> None:
        self.region_requested.emit("draw")

    def _on_view_clicked(self) -> None:
        self.region_requested.emit("view")

    def _on_click_toggled(self, on: bool) -> None:
        self.region_requested.emit("click" if on else "stop clicking")

    def _show_switches(self, state: TranslateState) -> None:
        for switch, value in ((self.live, state.live), (self.fill, state.fill)):
            _set_checked(switch, value)
        for widget in (self.live, self.fill, self.draw, self.click, self.view, self.export):
            widget.setEnabled(state.ready)
        self.card.setEnabled(bool(state.model))
        self.models.setCurrentIndex(self.models.findData(state.model))

    def _show_progress(self, state: TranslateState) -> None:
        done, total = (
            (state.activity_done, state.activity_total) if state.activity else state.tiles[:2]
        )
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.counts.setText(progress_text(state))
        self.failed.setText(failed_text(state.tiles.failed))
        self.failed.setVisible(state.tiles.failed > 0)
        self.cancel.setVisible(bool(state.activity))
        self.cache.setText(cache_text(state.cache_bytes, state.cache_limit))

    def _hint(self, state: TranslateState) -> str:
        if not state.slide:
            return NO_SLIDE
        if state.mpp is None:
            return NO_SCALE
        return "" if self.models.count() else NO_MODEL


def _set_checked(switch: QAbstractButton, value: bool) -> None:
    """Set a switch without a signal; one that stands right is not made to move again."""
    if switch.isChecked() == value:
        return
    switch.blockSignals(True)
    switch.setChecked(value)
    switch.blockSignals(False)
