"""The settings of a translation, folded away under one line of the Translate page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import QRegularExpression, Signal
from qtpy.QtGui import QRegularExpressionValidator
from qtpy.QtWidgets import QComboBox, QLineEdit
from superqt import QCollapsible

from napari_virtual_ihc.widgets.look import row
from napari_virtual_ihc.widgets.translate.model import TranslateState, runs_on_text
from napari_virtual_ihc.widgets.translate.trust_model import OFF, TIP

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOICES = {
    "device": ("auto", "cpu", "cuda", "mps"),
    "backend": ("auto", "torch", "openvino"),
    "precision": ("auto", "fp32", "bf16"),
    "statistics": ("slide", "tile", "dense"),
    "steps": ("model", "10", "20", "50", "300"),
    "trust": (OFF,),
}
_TIPS = {
    "device": "Where the model runs; auto takes what this machine does best",
    "backend": "What runs it",
    "precision": "fp32 is the reference; bf16 is faster where the processor has units for it",
    "statistics": "slide: measured once over the whole slide, no seams (default); tile: as the "
    "papers test, seams possible; dense: interpolated between anchors",
    "steps": "Steps of a diffusion; model: as its card says. Fewer are quicker and less sure",
    "seed": "What the noise of a diffusion is drawn from: another seed, another answer that is as "
    "likely; how far they lie apart is shown by “trust”",
    "trust": TIP,
}
_SEED, _SEED_PX = QRegularExpression("[0-9]{1,18}"), 90


class TranslateSettings(QCollapsible):
    """One row for each setting, and in the title what is in effect."""

    chosen = Signal(str, str)
    """Name and value of a setting that the user changed."""

    def __init__(self) -> None:
        super().__init__("Settings")
        self.choices = {name: _chooser(name) for name in CHOICES}
        self.seed = QLineEdit()
        self.seed.setValidator(QRegularExpressionValidator(_SEED, self.seed))
        self.seed.setMaximumWidth(_SEED_PX)
        self.seed.setToolTip(_tip("seed"))
        self.seed.editingFinished.connect(self._on_seed_edited)
        for name, box in self.choices.items():
            self.addWidget(row(name, 1, box))
            box.textActivated.connect(self._on_activated)
            if name == "steps":
                self.addWidget(row("seed", 1, self.seed))

    def show_state(self, state: TranslateState) -> None:
        """Show what is chosen, and offer what can be."""
        self.setText(runs_on_text(state))
        _offer(self.choices["trust"], state.trusts)
        for name, box in self.choices.items():
            box.setCurrentText(getattr(state, name))
        for widget in (self.choices["steps"], self.seed):
            widget.setEnabled(state.stepwise)
        if not self.seed.hasFocus():
            self.seed.setText(state.seed)

    def _on_activated(self, value: str) -> None:
        box = self.sender()
        name = next(name for name, chooser in self.choices.items() if chooser is box)
        self.chosen.emit(name, value)

    def _on_seed_edited(self) -> None:
        self.chosen.emit("seed", str(int(self.seed.text())))


def _offer(box: QComboBox, words: Sequence[str]) -> None:
    """Offer these words, unless it does already."""
    if [box.itemText(index) for index in range(box.count())] != list(words):
        box.clear()
        box.addItems(list(words))


def _chooser(name: str) -> QComboBox:
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    box.addItems(CHOICES[name])
    box.setToolTip(_tip(name))
    return box


def _tip(name: str) -> str:
    return f"<p>{escape(_TIPS[name])}</p>"
