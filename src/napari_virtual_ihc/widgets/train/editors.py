"""Small editors: one for each kind of recipe field, and what rows of a form are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from napari_virtual_ihc.widgets.look import tool_button
from napari_virtual_ihc.widgets.train.fields import as_text, from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_virtual_ihc.widgets.train.fields import FieldSheet

    Told = Callable[[Any], None]

_LARGEST = 2**31 - 1
_WIDTH, _WIDE = 96, 120
_LABEL_WIDTH = 50
_WRONG = "border: 1px solid #ff6b5e;"


class Editor(Protocol):
    """Shows a JSON value and tells when the user changed it."""

    widget: QWidget

    def show_value(self, value: Any) -> None:
        """Show ``value`` without telling of it."""
        ...


class SwitchEditor:
    """A check box."""

    def __init__(self, tell: Told) -> None:
        self.widget = QCheckBox()
        self.widget.clicked.connect(tell)

    def show_value(self, value: Any) -> None:
        """See :class:`Editor`."""
        if self.widget.isChecked() != value:
            self.widget.setChecked(bool(value))


class ChoiceEditor:
    """A list to choose from."""

    def __init__(self, choices: tuple[Any, ...], tell: Told) -> None:
        self.widget = QComboBox()
        self.widget.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        for choice in choices:
            self.widget.addItem(as_text(choice), choice)
        self.widget.setFixedWidth(_WIDE)
        self.widget.activated.connect(lambda index: tell(self.widget.itemData(index)))
        keep_from_wheel(self.widget)

    def show_value(self, value: Any) -> None:
        """See :class:`Editor`."""
        self.widget.setCurrentIndex(self.widget.findText(as_text(value)))


class WholeEditor:
    """A box for whole numbers with their bounds."""

    def __init__(self, field: FieldSheet, tell: Told) -> None:
        self.widget = QSpinBox()
        least = -_LARGEST if field.least is None else int(field.least) + field.above
        most = _LARGEST if field.most is None else int(field.most) - field.below
        self.widget.setRange(least, most)
        self.widget.setSingleStep(field.every)
        self.widget.setKeyboardTracking(False)
        self.widget.setFixedWidth(_WIDTH)
        self.widget.valueChanged.connect(tell)
        keep_from_wheel(self.widget)

    def show_value(self, value: Any) -> None:
        """See :class:`Editor`."""
        if isinstance(value, int) and self.widget.value() != value:
            self.widget.blockSignals(True)
            self.widget.setValue(value)
            self.widget.blockSignals(False)


class TextEditor:
    """A line for numbers, lists of numbers and paths; nothing typed is no value."""

    def __init__(self, field: FieldSheet, tell: Told) -> None:
        self._field, self._tell, self._shown = field, tell, ""
        self.line = QLineEdit()
        self.line.setPlaceholderText("none" if field.optional else "")
        self.line.editingFinished.connect(self._on_finished)
        self.widget: QWidget = self.line
        if field.kind == "path":
            self.widget = _beside(self.line, tool_button("…", "Choose a folder", self._browse))
        self.widget.setFixedWidth(_WIDTH if field.kind in ("number", "whole") else _WIDE)

    def show_value(self, value: Any) -> None:
        """See :class:`Editor`."""
        self._shown = as_text(value)
        if self.line.text() != self._shown:
            self.line.setText(self._shown)
            self.line.setCursorPosition(0)

    def _on_finished(self) -> None:
        if self.line.text() != self._shown:
            self._shown = self.line.text()
            self._tell(from_text(self._field, self._shown))

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.widget, self._field.label, self.line.text())
        if chosen:
            self.line.setText(chosen)
            self._on_finished()


def editor_for(field: FieldSheet, tell: Told) -> Editor:
    """Return the editor that suits a field; ``tell`` hears of every change."""
    if field.kind == "switch":
        return SwitchEditor(tell)
    if field.kind == "choice":
        return ChoiceEditor(field.choices, tell)
    if field.kind == "whole" and not field.optional:
        return WholeEditor(field, tell)
    return TextEditor(field, tell)


def mark_wrong(editor: Editor, wrong: bool) -> None:
    """Frame an editor whose value is not allowed in red."""
    style = _WRONG if wrong else ""
    if editor.widget.styleSheet() != style:
        editor.widget.setStyleSheet(style)


def keep_from_wheel(widget: QWidget) -> None:
    """Let the wheel scroll the page, not change a value by the way."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelFilter(widget))


class _WheelFilter(QObject):
    """Passes wheel events on to the page unless the widget has the keyboard."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def _beside(line: QLineEdit, button: QWidget) -> QWidget:
    box = QWidget()
    layout = QHBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    layout.addWidget(line)
    layout.addWidget(button)
    return box


def labelled(entries: Mapping[str, QWidget]) -> QFormLayout:
    """Return widgets under each other, each beside its label."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(4)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    for label, widget in entries.items():
        heading = QLabel(label)
        heading.setMinimumWidth(_LABEL_WIDTH)
        form.addRow(heading, widget)
    return form


def show_text(line: QLineEdit, text: str) -> None:
    """Show ``text``, unless the user is just typing there."""
    typing = line.hasFocus() and line.isModified()
    if line.text() != text and not typing:
        line.setText(text)


def add_heading(box: QComboBox, title: str) -> None:
    """Add a line that cannot be chosen."""
    box.insertSeparator(box.count())
    box.addItem(title)
    model = box.model()
    model.setData(model.index(box.count() - 1, 0), 0, Qt.ItemDataRole.UserRole - 1)
