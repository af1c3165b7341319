"""The Align page: a thin view on an :class:`AlignState`; decides nothing."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.widgets.align.hand_view import HandView
from napari_virtual_ihc.widgets.align.landmark_view import LandmarkView
from napari_virtual_ihc.widgets.align.model import NO_PAIR, AlignState, progress_words, result_words
from napari_virtual_ihc.widgets.align.stage_view import StageView
from napari_virtual_ihc.widgets.fold import Fold
from napari_virtual_ihc.widgets.keys import REDO, UNDO
from napari_virtual_ihc.widgets.look import (
    AMBER,
    RED,
    message_label,
    row,
    show_message,
    tool_button,
)
from napari_virtual_ihc.widgets.scale_box import ScaleBox


class AlignPage(QWidget):
    """Shows which slide is laid onto which, how that goes and how well it fits.

    Parameters
    ----------
    state
        What to show.
    """

    moving_chosen = Signal(int)
    register_requested = Signal()
    cancel_requested = Signal()
    save_requested = Signal()
    load_requested = Signal()
    undo_requested = Signal()
    redo_requested = Signal()

    def __init__(self, state: AlignState) -> None:
        super().__init__()
        self._state = state
        self.moving = QComboBox()
        self.moving.setToolTip("The slide that is laid onto the H&E; landmarks are not needed")
        self.moving.setMinimumContentsLength(14)
        self.scale = ScaleBox()
        self.start = QPushButton("Register")
        self.save = QPushButton("Save…")
        self.load = QPushButton("Load…")
        self.undo = tool_button("↶", f"Undo the last change of pairs or placement ({UNDO})")
        self.redo = tool_button("↷", f"Take back what was undone ({REDO})")
        self.stages, self.landmarks, self.hand = StageView(), LandmarkView(), HandView()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(10)
        self.activity = QLabel()
        self.activity.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.cancel = tool_button("Stop", "Stop this")
        self.progress = row(self.activity, self.cancel)
        self.result = message_label("")
        self.caution, self.error = message_label(AMBER), message_label(RED)
        self.hint, self.notice = message_label(""), message_label("")
        self._lay_out()
        self._connect()
        state.events.connect(self._on_state_changed)
        self.show_state()

    def show_state(self) -> None:
        """Show every field of the state."""
        state = self._state
        self._show_slides(state)
        scale = state.moving_scale
        self.scale.setVisible(scale is not None and scale.open)
        self.scale.show_scale(scale)
        busy, pair = bool(state.activity), state.moving >= 0
        self.start.setEnabled(pair and not busy)
        self.load.setEnabled(pair and not busy)
        self.save.setEnabled(state.registered and not busy and not state.laying)
        self.undo.setEnabled(state.can_undo and not busy)
        self.redo.setEnabled(state.can_redo and not busy)
        self.stages.show_state(state)
        self.landmarks.show_state(state)
        self.hand.show_state(state)
        self.bar.setVisible(busy)
        self.bar.setRange(0, state.total)
        self.bar.setValue(state.done)
        self.activity.setText(progress_words(state))
        self.progress.setVisible(busy)
        show_message(self.hint, "" if pair else NO_PAIR)
        show_message(self.result, result_words(state))
        show_message(self.caution, state.caution)
        show_message(self.error, state.error)
        show_message(self.notice, state.notice)

    def forget_state(self) -> None:
        """Stop listening to the state."""
        self._state.events.disconnect(self._on_state_changed)

    def _show_slides(self, state: AlignState) -> None:
        self.moving.blockSignals(True)
        self.moving.clear()
        self.moving.addItems(state.others)
        self.moving.setCurrentIndex(state.moving)
        self.moving.setEnabled(bool(state.others))
        self.moving.blockSignals(False)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        items: list[QWidget] = [
            self.hint,
            row("Lay onto the H&E", self.moving),
            self.scale,
            row(self.start, 1, self.undo, self.redo, self.load, self.save),
            self.bar,
            self.progress,
            self.caution,
            self.error,
            self.notice,
            self.stages,
            self.result,
            _folded("Landmarks", self.landmarks),
            _folded("By hand", self.hand),
        ]
        for item in items:
            layout.addWidget(item)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.moving.activated.connect(self.moving_chosen)
        self.start.clicked.connect(self.register_requested)
        self.cancel.clicked.connect(self.cancel_requested)
        self.save.clicked.connect(self.save_requested)
        self.load.clicked.connect(self.load_requested)
        self.undo.clicked.connect(self.undo_requested)
        self.redo.clicked.connect(self.redo_requested)

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()


def _folded(title: str, content: QWidget) -> Fold:
    fold = Fold(title)
    fold.hold(content)
    return fold
