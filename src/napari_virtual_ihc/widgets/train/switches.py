"""The switches of a method, grouped; what differs from the preset is marked."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QMenu, QPushButton, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.fold import Fold
from napari_virtual_ihc.widgets.look import row
from napari_virtual_ihc.widgets.train.editors import Editor, editor_for, mark_wrong
from napari_virtual_ihc.widgets.train.fields import as_text, values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.widgets.train.fields import FieldSheet, MethodSheet

_CHANGED = "● "


class Switches(QWidget):
    """Shows the recipe of a preset with some switches set; says what the user changed.

    ``switch_changed(name, value)`` carries a JSON value, ``row_chosen(row)`` a row of the paper's
    ablation table, ``reset_requested()`` the wish for the preset as it is.
    """

    switch_changed = Signal(str, object)
    row_chosen = Signal(str)
    reset_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._sheet: MethodSheet | None = None
        self._preset: dict[str, Any] = {}
        self._switches: Mapping[str, Any] = {}
        self._problem = ""
        self._folds: dict[str, Fold] = {}
        self.editors: dict[str, Editor] = {}
        self.labels: dict[str, QLabel] = {}
        self.ablations = QPushButton("Ablation row")
        self.ablations.setToolTip("Set the switches as a row of the paper's ablation table says")
        self.ablations.setMenu(QMenu(self.ablations))
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("All switches as the preset has them")
        self.reset.clicked.connect(self.reset_requested)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addWidget(row(self.ablations, 1, self.reset))

    def show_recipe(
        self, sheet: MethodSheet, preset: str, switches: Mapping[str, Any], problem: str
    ) -> None:
        """Show a preset with switches; ``problem`` may name a field that is wrong."""
        self._preset, self._switches = values(sheet.presets[preset]), switches
        self._problem = problem
        if self._sheet is not sheet:
            self._sheet = sheet
            self._rebuild(sheet)
        self.reset.setEnabled(bool(switches))
        for title, fields in sheet.groups().items():
            self._show_group(title, fields)

    def fold(self, group: str) -> Fold:
        """Return the part with the fields of a heading."""
        return self._folds[group]

    def _rebuild(self, sheet: MethodSheet) -> None:
        for fold in self._folds.values():
            fold.hide()
            fold.deleteLater()
        self._folds, self.editors, self.labels = {}, {}, {}
        for title, fields in sheet.groups().items():
            self._folds[title] = Fold(title, partial(self._make_group, title, fields))
            self._layout.addWidget(self._folds[title])
        self._folds[next(iter(self._folds))].set_open(True)
        self._fill_menu(sheet)

    def _fill_menu(self, sheet: MethodSheet) -> None:
        menu = self.ablations.menu()
        menu.clear()
        menu.setToolTipsVisible(True)
        for name, settings in sheet.ablations.items():
            action = menu.addAction(name)
            action.setToolTip("\n".join(settings))
            action.triggered.connect(partial(self._on_row, name))
        self.ablations.setEnabled(bool(sheet.ablations))

    def _on_row(self, name: str, _checked: bool = False) -> None:
        self.row_chosen.emit(name)

    def _make_group(self, title: str, fields: list[FieldSheet]) -> QWidget:
        content = QWidget()
        grid = QGridLayout(content)
        grid.setVerticalSpacing(2)
        grid.setContentsMargins(0, 0, 0, 4)
        grid.setColumnStretch(0, 1)
        for index, field in enumerate(fields):
            for column, widget in enumerate(self._make_row(field)):
                grid.addWidget(widget, index, column)
        self._show_fields(fields)
        return content

    def _make_row(self, field: FieldSheet) -> tuple[QWidget, QWidget]:
        editor = editor_for(field, partial(self.switch_changed.emit, field.name))
        self.editors[field.name] = editor
        label = self.labels[field.name] = QLabel()
        for widget in (label, editor.widget):
            widget.setToolTip(self._tip(field))
        return label, editor.widget

    def _tip(self, field: FieldSheet) -> str:
        preset = as_text(self._preset[field.name]) or "none"
        return (
            f"<p><b>{field.name}</b></p><p>{escape(field.description)}</p><p>Preset: {preset}</p>"
        )

    def _show_group(self, title: str, fields: list[FieldSheet]) -> None:
        changed = sum(field.name in self._switches for field in fields)
        self._folds[title].set_title(f"{title} ({changed} changed)" if changed else title)
        self._show_fields(fields)

    def _show_fields(self, fields: list[FieldSheet]) -> None:
        for field in fields:
            if field.name in self.editors:
                self._show_field(field)

    def _show_field(self, field: FieldSheet) -> None:
        editor, preset = self.editors[field.name], self._preset[field.name]
        editor.show_value(self._switches.get(field.name, preset))
        mark = _CHANGED if field.name in self._switches else ""
        self.labels[field.name].setText(f"{mark}{field.label}")
        editor.widget.setToolTip(self._tip(field))
        mark_wrong(editor, f"{field.name!r}" in self._problem)
