"""A heading that shows or hides what lies under it, at once and without a movement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

_INDENT = 10


class Fold(QWidget):
    """A part of a page that can be folded away.

    Parameters
    ----------
    title
        The heading.
    make
        Makes the content when it is first shown; None where :meth:`hold` is called instead.
    """

    toggled = Signal(bool)

    def __init__(self, title: str, make: Callable[[], QWidget] | None = None) -> None:
        super().__init__()
        self._make = make
        self._content: QWidget | None = None
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.button)
        self.button.toggled.connect(self._on_toggled)

    @property
    def content(self) -> QWidget | None:
        """What lies under the heading, None until it was first shown."""
        return self._content

    def hold(self, content: QWidget) -> None:
        """Put ``content`` under the heading."""
        self._content = content
        self._layout.addWidget(content)
        margins = content.contentsMargins()
        content.setContentsMargins(_INDENT, margins.top(), margins.right(), margins.bottom())
        content.setVisible(self.is_open())

    def is_open(self) -> bool:
        """Whether the content is shown."""
        return bool(self.button.isChecked())

    def set_open(self, on: bool) -> None:
        """Show or hide the content."""
        self.button.setChecked(on)

    def set_title(self, title: str) -> None:
        """Change the heading."""
        if self.button.text() != title:
            self.button.setText(title)

    def _on_toggled(self, on: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        if on and self._content is None and self._make is not None:
            self.hold(self._make())
        if self._content is not None:
            self._content.setVisible(on)
        self.toggled.emit(on)
