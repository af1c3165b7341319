"""The Compare page: a thin view on its states; decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_virtual_ihc.widgets.compare_model import NO_REGISTRATION, CompareState
from napari_virtual_ihc.widgets.look import message_label, show_message
from napari_virtual_ihc.widgets.map_view import MapView

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.map_model import MapState


class ComparePage(QWidget):
    """Shows what is compared, and the map between them.

    Parameters
    ----------
    state, map_state
        What to show.
    """

    def __init__(self, state: CompareState, map_state: MapState) -> None:
        super().__init__()
        self._state = state
        self.hint, self.pair = message_label(""), message_label("")
        self.map = MapView(map_state)
        self._content: list[QWidget] = [self.map]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for item in (self.hint, self.pair, *self._content):
            layout.addWidget(item)
        layout.addStretch(1)
        state.events.connect(self._on_state_changed)
        self.show_state()

    def show_state(self) -> None:
        """Show every field of the state."""
        show_message(self.hint, "" if self._state.pair else NO_REGISTRATION)
        show_message(self.pair, self._state.pair)
        for part in self._content:
            part.setEnabled(bool(self._state.pair))

    def forget_state(self) -> None:
        """Stop listening to the states."""
        self._state.events.disconnect(self._on_state_changed)
        self.map.forget_state()

    def _on_state_changed(self, _info: object) -> None:
        self.show_state()
