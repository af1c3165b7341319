"""The Compare page put together: its maps over the tissue, and its view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_virtual_ihc.widgets.compare_model import CompareState, pair_line
from napari_virtual_ihc.widgets.compare_page import ComparePage
from napari_virtual_ihc.widgets.compare_sides import SidesWatch
from napari_virtual_ihc.widgets.map_layer import MapLayer
from napari_virtual_ihc.widgets.map_model import MapState

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.session import Session


class CompareController(QObject):
    """Compares the virtual IHC of the H&E with the real IHC laid onto it.

    Parameters
    ----------
    session
        The window; its ``aligned`` says what lies on what.
    """

    title = "Compare"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.state, self.map_state = CompareState(), MapState()
        self.watch = SidesWatch(session)
        self.map = MapLayer(session, self.watch, self.map_state)
        self.view = ComparePage(self.state, self.map_state)
        self.view.map.map_chosen.connect(self.map.choose)
        self.view.map.between_chosen.connect(self.map.choose_between)
        self.watch.changed.connect(self._on_sides_changed)
        self._on_sides_changed()

    def close(self) -> None:
        """Stop; the layers stay."""
        self.view.forget_state()
        self.map.close()

    def _on_sides_changed(self) -> None:
        self.state.pair = pair_line(self.watch.sides)
