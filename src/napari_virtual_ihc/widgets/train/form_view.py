"""The form of a new training: a thin view on :class:`TrainForm` and the methods there are."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_virtual_ihc.widgets.fold import Fold
from napari_virtual_ihc.widgets.look import (
    AMBER,
    RED,
    message_label,
    row,
    show_message,
    tool_button,
)
from napari_virtual_ihc.widgets.train.editors import (
    add_heading,
    keep_from_wheel,
    labelled,
    show_text,
)
from napari_virtual_ihc.widgets.train.form import DEVICES, KEPT, PRECISIONS, PRIORITIES, TrainForm
from napari_virtual_ihc.widgets.train.switches import Switches
from napari_virtual_ihc.widgets.train.words import FORM_TIPS, found_text, left_out_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.widgets.train.fields import MethodSheet
    from napari_virtual_ihc.widgets.train.model import TrainState

MARKERS = ("HER2", "Ki-67", "ER", "PR", "PD-L1")
_AUXILIARIES = "Networks that serve other methods"


class FormView(QWidget):
    """Shows the form; ``edited(field, value)`` says what the user entered."""

    edited = Signal(str, object)
    start_requested = Signal()
    check_requested = Signal()
    findings_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._make_entries()
        self._make_messages()
        self.switches = Switches()
        self.switches_fold = Fold("Switches")
        self.switches_fold.hold(self.switches)
        self.more = Fold("Machine and card")
        self.more.hold(self._more())
        self.start = QPushButton("Start training")
        self.start.clicked.connect(self.start_requested)
        self._lay_out()

    def hold_pairs(self, pairs: QWidget) -> None:
        """Show this below the data: another place to take pairs from."""
        self._below_data.addWidget(pairs)

    def show_catalogue(self, catalogue: Mapping[str, MethodSheet]) -> None:
        """Offer these methods, those that serve others apart."""
        self.method.clear()
        served = False
        for sheet in catalogue.values():
            if sheet.artifact != "generator" and not served:
                served = True
                add_heading(self.method, _AUXILIARIES)
            self.method.addItem(sheet.title, sheet.name)
            tip = f"<p>{escape(sheet.title)}</p><p>Written from {escape(sheet.fidelity)}.</p>"
            index = self.method.count() - 1
            self.method.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)

    def show_form(self, form: TrainForm, state: TrainState) -> None:
        """Show every entry of the form."""
        for name, line in self.lines.items():
            show_text(line, getattr(form, name))
        for name, box in self.boxes.items():
            box.setCurrentIndex(box.findData(getattr(form, name)))
        show_text(self.marker.lineEdit(), form.marker)
        if self.registered.isChecked() != form.registered:
            self.registered.setChecked(form.registered)
        sheet = (state.catalogue or {}).get(form.method)
        self.setEnabled(sheet is not None)
        if sheet is not None:
            self._show_method(form, sheet, state.problem)

    def show_state(self, state: TrainState) -> None:
        """Show the check of the data, where the run would lie, and what stands against starting."""
        check = state.check
        good = check is not None and not check.error
        found = found_text(check, state.recipe) if check is not None and good else ""
        show_message(self.found, found)
        left_out = left_out_text(check) if check is not None and good else ""
        show_message(self.left_out, left_out)
        many = check is not None and len(check.findings) > 1
        self.all_findings.setVisible(many and bool(left_out))
        show_message(self.refused, check.error if check is not None else "")
        show_message(self.problem, state.problem)
        self.lines["out"].setPlaceholderText(state.out)
        self.start.setEnabled(state.ready and not state.activity)
        show_message(self.hint, state.hint)

    def _show_method(self, form: TrainForm, sheet: MethodSheet, problem: str) -> None:
        self.method.setCurrentIndex(self.method.findData(form.method))
        self.method.setToolTip(f"<p>Written from {escape(sheet.fidelity)}.</p>")
        names = [self.preset.itemData(index) for index in range(self.preset.count())]
        if names != list(sheet.presets):
            self.preset.clear()
            for name in sheet.presets:
                self.preset.addItem(name, name)
        self.preset.setCurrentIndex(self.preset.findData(form.preset))
        changed = len(form.switches)
        self.switches_fold.set_title(f"Switches ({changed} changed)" if changed else "Switches")
        self.switches.show_recipe(sheet, form.preset, form.switches, problem)

    def _make_entries(self) -> None:
        names = ("data", "mpp", "tissue", "steps", "seed", "out")
        self.lines = {name: self._line(name) for name in names}
        self.lines["mpp"].setPlaceholderText("?")
        self.lines["steps"].setPlaceholderText("by epochs")
        self.lines["tissue"].setPlaceholderText("unknown")
        self.marker = QComboBox()
        self.marker.setEditable(True)
        self.marker.addItems(MARKERS)
        self.marker.setCurrentIndex(-1)
        self.marker.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.marker.lineEdit().setPlaceholderText("HER2?")
        self.marker.setToolTip(FORM_TIPS["marker"])
        self.marker.activated.connect(self._on_marker)
        self.marker.lineEdit().editingFinished.connect(self._on_marker)
        self.method, self.preset = self._box("method", {}), self._box("preset", {})
        self.boxes = {
            "device": self._box("device", {name: name for name in DEVICES}),
            "precision": self._box("precision", {name: name for name in PRECISIONS}),
            "priority": self._box("priority", PRIORITIES),
            "finish_with": self._box("finish_with", KEPT),
        }
        self.registered = QCheckBox("IHC registered onto H&&E")
        self.registered.setToolTip(FORM_TIPS["registered"])
        self.registered.clicked.connect(partial(self.edited.emit, "registered"))
        for box in (self.marker, self.method, self.preset):
            keep_from_wheel(box)

    def _make_messages(self) -> None:
        self.found = message_label("")
        self.left_out = message_label(AMBER)
        self.refused, self.problem = message_label(RED), message_label(RED)
        self.hint = message_label("")
        self.all_findings = tool_button("All findings…", "Every picture that is left out, and why")
        self.all_findings.clicked.connect(self.findings_requested)
        self.again = tool_button("⟳", "Look at the data again")
        self.again.clicked.connect(self.check_requested)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._datalabelled())
        self._below_data = QVBoxLayout()
        layout.addLayout(self._below_data)
        for message in (self.found, self.left_out, row(1, self.all_findings), self.refused):
            layout.addWidget(message)
        layout.addLayout(
            labelled({"Method": self.method, "Preset": self.preset}),
        )
        layout.addWidget(self.switches_fold)
        layout.addWidget(self.more)
        layout.addLayout(labelled({"Run": row(self.lines["out"], self._browse("out"))}))
        layout.addWidget(self.problem)
        layout.addWidget(self.hint)
        layout.addWidget(self.start)

    def _datalabelled(self) -> QFormLayout:
        self.lines["mpp"].setMaximumWidth(56)
        folder = row(self.lines["data"], self._browse("data"), self.again)
        return labelled({"Pairs": folder, "µm/px": row(self.lines["mpp"], "Marker", self.marker)})

    def _more(self) -> QWidget:
        content = QWidget()
        form = labelled(
            {
                "Device": self.boxes["device"],
                "Precision": self.boxes["precision"],
                "Shared GPU": self.boxes["priority"],
                "Model from": self.boxes["finish_with"],
                "Steps": row(self.lines["steps"], "Seed", self.lines["seed"]),
                "Tissue": self.lines["tissue"],
                "": self.registered,
            }
        )
        content.setLayout(form)
        return content

    def _line(self, name: str) -> QLineEdit:
        line = QLineEdit()
        line.setToolTip(f"<p>{escape(FORM_TIPS[name])}</p>")
        line.setMinimumWidth(40)
        line.editingFinished.connect(partial(self._on_typed, name))
        return line

    def _on_typed(self, name: str) -> None:
        self.lines[name].setModified(False)
        self.edited.emit(name, self.lines[name].text())

    def _box(self, name: str, choices: Mapping[str, str]) -> QComboBox:
        box = QComboBox()
        box.setMinimumContentsLength(8)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for value, title in choices.items():
            box.addItem(title, value)
        if name in FORM_TIPS:
            box.setToolTip(f"<p>{escape(FORM_TIPS[name])}</p>")
        box.activated.connect(lambda index: self.edited.emit(name, box.itemData(index)))
        keep_from_wheel(box)
        return box

    def _browse(self, name: str) -> QWidget:
        return tool_button("…", "Choose a folder", partial(self._on_browse, name))

    def _on_browse(self, name: str) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", self.lines[name].text())
        if chosen:
            self.edited.emit(name, chosen)

    def _on_marker(self, _index: int = 0) -> None:
        self.edited.emit("marker", self.marker.currentText())
