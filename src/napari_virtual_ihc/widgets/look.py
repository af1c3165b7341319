"""How the dock looks: the few styles it needs, legible in napari's dark and light themes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

AMBER = "background: #f2b632; color: #241800; border-radius: 3px; padding: 4px;"
RED = "background: #b3261e; color: white; border-radius: 3px; padding: 4px;"
RED_LINK = "QToolButton { color: #ff6b5e; border: none; font-weight: bold; background: none; }"
CHOSEN = "QToolButton:checked { background: #3d57a8; color: white; border-radius: 3px; }"


def message_label(style: str) -> QLabel:
    """Return a label for one sentence, hidden while it is empty."""
    label = QLabel()
    label.setStyleSheet(style)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.hide()
    return label


def show_message(label: QLabel, text: str) -> None:
    """Put ``text`` into a message label, or hide it where there is none."""
    label.setText(text)
    label.setVisible(bool(text))


def tool_button(text: str, tip: str, pressed: Callable[[], object] | None = None) -> QToolButton:
    """Return a small text button."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    if pressed is not None:
        button.clicked.connect(lambda _checked=False: pressed())
    return button


def widened(box: QComboBox) -> QComboBox:
    """Let a box take the room that its row has, and shrink with it."""
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.setMinimumContentsLength(6)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def row(*widgets: QWidget | str | int) -> QWidget:
    """Return the widgets side by side; a word becomes a label, a number stretches."""
    box = QWidget()
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    for item in widgets:
        if isinstance(item, int):
            layout.addStretch(item)
        else:
            layout.addWidget(QLabel(item) if isinstance(item, str) else item)
    box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return box
