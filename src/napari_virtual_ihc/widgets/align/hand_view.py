"""Moving the real IHC by hand, on the Align page: a thin view on the page's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QPushButton, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.align.hand_model import DRAG_HINT, PAIRS_DECIDE, hand_is_idle
from napari_virtual_ihc.widgets.look import message_label, row, show_message

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.align.model import AlignState

_FAR_UM, _SIXTY = 1e6, 60


class HandView(QWidget):
    """Spin boxes, buttons, and a switch for dragging; each says by how much to move."""

    shifted = Signal(float, float)
    """Down and right, µm."""
    turned = Signal(float)
    """Degrees counter-clockwise."""
    scaled = Signal(float)
    """Factor."""
    flipped = Signal()
    reset_requested = Signal()
    dragging_toggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._state: AlignState | None = None
        self.down = _spin(" µm", -_FAR_UM, _FAR_UM, 10, 1)
        self.right = _spin(" µm", -_FAR_UM, _FAR_UM, 10, 1)
        self.turn = _spin("°", -180, 180, 0.5, 2)
        self.turn.setWrapping(True)
        self.turn.setToolTip("Counter-clockwise, about the middle of the view")
        self.scale = _spin(" %", 10, 1000, 0.5, 2)
        self.scale.setToolTip("About the middle of the view")
        self.drag = QPushButton("Drag")
        self.drag.setCheckable(True)
        self.drag.setToolTip(DRAG_HINT)
        self.quarter = QPushButton("↺ 90°")
        self.flip = QPushButton("Flip")
        self.flip.setToolTip("Left and right change sides: the section lies on its other side")
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Take back what was done by hand; pairs stay")
        self.hint, self.idle = message_label(""), message_label("")
        self._lay_out()
        self._connect()

    def show_state(self, state: AlignState) -> None:
        """Show how the slide was moved."""
        self._state = state
        idle = hand_is_idle(state)
        able = state.moving >= 0 and not state.activity and not idle
        for widget in (*self._spins(), self.drag, self.quarter, self.flip):
            widget.setEnabled(able)
        self.reset.setEnabled(state.moved)
        self.drag.setChecked(state.dragging)
        show_message(self.hint, DRAG_HINT if state.dragging else "")
        show_message(self.idle, PAIRS_DECIDE if idle else "")
        pose = state.pose
        values = pose.down_um, pose.right_um, pose.turn_deg, 100 * pose.scale
        for spin, value in zip(self._spins(), values, strict=True):
            spin.blockSignals(True)
            spin.setValue(value)
            spin.blockSignals(False)

    def set_step(self, step_um: float) -> None:
        """Let a step of the shifts be this long."""
        self.down.setSingleStep(step_um)
        self.right.setSingleStep(step_um)

    def _spins(self) -> tuple[QDoubleSpinBox, ...]:
        return self.down, self.right, self.turn, self.scale

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Down", self.down)
        form.addRow("Right", self.right)
        form.addRow("Turn", self.turn)
        form.addRow("Scale", self.scale)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(row(self.drag, self.quarter, self.flip, self.reset, 1))
        layout.addWidget(self.hint)
        layout.addWidget(self.idle)

    def _connect(self) -> None:
        self.down.valueChanged.connect(self._on_down)
        self.right.valueChanged.connect(self._on_right)
        self.turn.valueChanged.connect(self._on_turn)
        self.scale.valueChanged.connect(self._on_scale)
        self.quarter.clicked.connect(lambda _on=False: self.turned.emit(90.0))
        self.flip.clicked.connect(lambda _on=False: self.flipped.emit())
        self.reset.clicked.connect(lambda _on=False: self.reset_requested.emit())
        self.drag.clicked.connect(self.dragging_toggled)

    def _on_down(self, value: float) -> None:
        if self._state is not None:
            self.shifted.emit(value - self._state.pose.down_um, 0.0)

    def _on_right(self, value: float) -> None:
        if self._state is not None:
            self.shifted.emit(0.0, value - self._state.pose.right_um)

    def _on_turn(self, value: float) -> None:
        if self._state is not None:
            self.turned.emit(value - self._state.pose.turn_deg)

    def _on_scale(self, value: float) -> None:
        if self._state is not None:
            self.scaled.emit(value / 100 / self._state.pose.scale)


def _spin(suffix: str, low: float, high: float, step: float, digits: int) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(low, high)
    spin.setSingleStep(step)
    spin.setDecimals(digits)
    spin.setSuffix(suffix)
    spin.setKeyboardTracking(False)
    spin.setMinimumWidth(_SIXTY)
    return spin
