"""The part of the Compare page that chooses a map; a thin view on a :class:`MapState`."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.compare.map_model import (
    BETWEEN,
    MapState,
    between_of,
    can_choose_between,
    titles,
)
from napari_virtual_ihc.widgets.look import AMBER, message_label, row, show_message, widened


class MapView(QWidget):
    """Which map, between what, and what its colours come from.

    Parameters
    ----------
    state
        What to show.
    """

    map_chosen = Signal(str)
    between_chosen = Signal(str)

    def __init__(self, state: MapState) -> None:
        super().__init__()
        self._state = state
        self.maps, self.between = widened(QComboBox()), widened(QComboBox())
        for name, title in titles():
            self.maps.addItem(title, name)
        for name, title in BETWEEN.items():
            self.between.addItem(title, name)
        self.maps.setToolTip("A map over the tissue that says how well the slides match")
        self.between.setToolTip(
            "H&E and real says where the tissue matches, whatever the model made of it"
        )
        self.formula, self.waiting = message_label(""), message_label(AMBER)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row("Map", self.maps))
        layout.addWidget(row("between", self.between))
        layout.addWidget(self.waiting)
        layout.addWidget(self.formula)
        self.maps.activated.connect(self._on_map_chosen)
        self.between.activated.connect(self._on_between_chosen)
        state.events.connect(self._on_state_changed)
        self.show_state()

    def show_state(self) -> None:
        """Show every field of the state."""
        state = self._state
        self.maps.setCurrentIndex(self.maps.findData(state.name))
        self.between.setCurrentIndex(self.between.findData(between_of(state)))
        self.between.setEnabled(can_choose_between(state))
        show_message(self.formula, state.formula)
        show_message(self.waiting, state.waiting)

    def forget_state(self) -> None:
        """Stop listening to the state."""
        self._state.events.disconnect(self._on_state_changed)

    def _on_map_chosen(self, index: int) -> None:
        self.map_chosen.emit(self.maps.itemData(index))

    def _on_between_chosen(self, index: int) -> None:
        self.between_chosen.emit(self.between.itemData(index))

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()
