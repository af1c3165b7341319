"""A slide's scale: told where the file states it, asked for where not, and then open to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.widgets.look import (
    AMBER,
    RED,
    message_label,
    row,
    show_message,
    tool_button,
)
from napari_virtual_ihc.widgets.scale_model import typed_scale
from napari_virtual_ihc.widgets.translate.model import scale_text

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.scale_model import KnownScale

_FIELD_PX = 190


class ScaleBox(QWidget):
    """One scale; what is wrong with what was typed is said below it.

    Parameters
    ----------
    *beside
        Widgets that share its line, as :func:`row` takes them.
    """

    typed = Signal(float)
    """The scale (µm/px) of the slide shown, as the user says."""

    def __init__(self, *beside: QWidget | int) -> None:
        super().__init__()
        self._known: KnownScale | None = None
        self.stated = QLabel()
        self.change = tool_button("", "Typed by you; click to type it anew", self._ask_anew)
        self.field = _field()
        self.missing, self.wrong = message_label(AMBER), message_label(RED)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (row(self.stated, self.change, self.field, *beside), self.missing, self.wrong):
            layout.addWidget(item)
        self.field.returnPressed.connect(self._on_return)
        self.show_scale(None)

    def show_scale(self, known: KnownScale | None) -> None:
        """Show the scale of a slide, or nothing; a field begun for another one is cleared."""
        if known != self._known or known is None:
            self._known = known
            self.field.clear()
            self._show(asks=known is not None and known.mpp is None)

    def _show(self, *, asks: bool) -> None:
        known = self._known
        words = "" if known is None or known.mpp is None else scale_text(known.mpp)
        typed = known is not None and known.typed
        self.stated.setText("" if typed else words)
        self.change.setText(f"{words} ✎")
        self.change.setVisible(typed and not asks)
        self.field.setVisible(asks)
        show_message(self.missing, "" if known is None else known.missing())
        show_message(self.wrong, "")

    def _ask_anew(self) -> None:
        self._show(asks=True)
        self.field.setFocus()

    def _on_return(self) -> None:
        try:
            mpp = typed_scale(self.field.text())
        except UsageError as error:
            show_message(self.missing, "")
            show_message(self.wrong, str(error))
            return
        self._show(asks=False)
        self.typed.emit(mpp)


def _field() -> QLineEdit:
    field = QLineEdit()
    field.setPlaceholderText("µm/px? e.g. 0.25, then Enter")
    field.setToolTip("µm per pixel of the full picture: about 0.25 at 40×, 0.5 at 20×")
    field.setMinimumWidth(_FIELD_PX)
    return field
