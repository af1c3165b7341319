"""The dock's head: which slide, its scale (asked for where missing), and the magnification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.camera import PRESETS, current_magnification, set_magnification
from napari_virtual_ihc.widgets.layers import is_foreign
from napari_virtual_ihc.widgets.look import AMBER, message_label, row, show_message, tool_button
from napari_virtual_ihc.widgets.scale_box import ScaleBox
from napari_virtual_ihc.widgets.translate.model import magnification_text
from napari_virtual_ihc.widgets.views.viewing import ViewingBox

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.session import Session

FOREIGN = (
    "{} was opened by another reader and is no slide here. To use it, open it again under "
    "File > Open with Plugin, and choose Virtual IHC."
)
_ENOUGH = 2
"""An H&E and an IHC; other images are then on the canvas for reasons of their own."""


class Header(QWidget):
    """Slide chooser, µm/px and magnification presets of one session."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.slides = QComboBox()
        self.slides.setToolTip("The H&E slide to work on")
        self.slides.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slides.setMinimumContentsLength(12)
        self.slides.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.magnification = QLabel()
        self.magnification.setMinimumWidth(36)
        self.presets = [self._preset(number) for number in PRESETS]
        self.scale = ScaleBox(1, self.magnification, *self.presets)
        self.elsewhere = message_label(AMBER)
        self.viewing = ViewingBox(session)
        self._lay_out()
        self.slides.activated.connect(self._on_slide_chosen)
        self.scale.typed.connect(self._on_scale_typed)
        session.slides_changed.connect(self.refresh)
        session.slide_chosen.connect(self.refresh)
        session.camera_moved.connect(self._on_camera_moved)
        self.refresh()

    def refresh(self) -> None:
        """Show the session's slides and the chosen one's scale."""
        entries = self._session.originals()
        self.slides.blockSignals(True)
        self.slides.clear()
        self.slides.addItems([entry.name for entry in entries])
        chosen = self._session.chosen
        self.slides.setCurrentIndex(entries.index(chosen) if chosen in entries else -1)
        self.slides.setEnabled(bool(entries))
        self.slides.blockSignals(False)
        self.scale.show_scale(None if chosen is None else chosen.scale)
        for button in self.presets:
            button.setEnabled(chosen is not None and chosen.scale.mpp is not None)
        show_message(self.elsewhere, self._elsewhere())
        self._on_camera_moved()

    def _elsewhere(self) -> str:
        """Return what to do with an image that is no slide, while a slide is lacking."""
        images = [layer.name for layer in self._session.viewer.layers if is_foreign(layer)]
        if not images or len(self._session.originals()) >= _ENOUGH:
            return ""
        return FOREIGN.format(images[-1])

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row("H&E", self.slides))
        layout.addWidget(self.elsewhere)
        layout.addWidget(self.scale)
        layout.addWidget(self.viewing)

    def _preset(self, number: int) -> QWidget:
        button = tool_button(f"{number}", f"Look at {number}×")
        button.clicked.connect(lambda _checked=False: self._magnify(number))
        button.setMinimumWidth(26)
        return button

    def _magnify(self, number: int) -> None:
        set_magnification(self._session.viewer, number)

    def _on_slide_chosen(self, index: int) -> None:
        self._session.choose(self._session.originals()[index])

    def _on_scale_typed(self, mpp: float) -> None:
        if self._session.chosen is not None:
            self._session.set_scale(self._session.chosen, mpp)

    def _on_camera_moved(self) -> None:
        entry = self._session.chosen
        known = entry is not None and entry.slide.mpp is not None
        text = magnification_text(current_magnification(self._session.viewer)) if known else ""
        self.magnification.setText(text)
