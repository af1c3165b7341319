"""The Compare page put together: its maps over the tissue, its numbers, and its view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_virtual_ihc.widgets.camera import look_at
from napari_virtual_ihc.widgets.compare.disagreeing import Disagreeing
from napari_virtual_ihc.widgets.compare.drawing_view import png_of
from napari_virtual_ihc.widgets.compare.map_layer import MapLayer
from napari_virtual_ihc.widgets.compare.map_model import MapState
from napari_virtual_ihc.widgets.compare.model import CompareState, pair_line
from napari_virtual_ihc.widgets.compare.numbers import Numbers
from napari_virtual_ihc.widgets.compare.page import ComparePage
from napari_virtual_ihc.widgets.compare.regions import DRAWN, named_regions, start_drawing
from napari_virtual_ihc.widgets.compare.sides import SidesWatch

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.widgets.session import Session

_PX_PER_POINT = 2.5


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
        self.numbers = Numbers(session, self.watch, self.state, self.view.isVisible)
        self.disagreeing = Disagreeing(session, self.state)
        self._connect()
        self._on_sides_changed()

    def close(self) -> None:
        """Stop; the layers stay."""
        self.view.forget_state()
        self.map.close()
        self.numbers.close()

    def draw(self) -> None:
        """Let the user draw the region to measure."""
        self.state.where = DRAWN
        start_drawing(self.session.viewer)

    def save(self, folder: Path) -> None:
        """Write what was measured, its plots as they are shown, and the report."""
        self.numbers.save(folder, png_of(self.view.results.drawings(), _PX_PER_POINT))

    def _connect(self) -> None:
        view, numbers = self.view, self.numbers
        view.map.map_chosen.connect(self.map.choose)
        view.map.between_chosen.connect(self.map.choose_between)
        view.live.toggled.connect(numbers.set_live)
        view.choice_changed.connect(self._on_choice_changed)
        view.draw_requested.connect(self.draw)
        view.regions_wanted.connect(self._name_regions)
        view.measure_requested.connect(self.disagreeing.forget)
        view.measure_requested.connect(numbers.measure)
        view.disagreement_requested.connect(self.disagreeing.go_on)
        view.cancel_requested.connect(numbers.cancel)
        view.save_requested.connect(self._on_save_requested)
        view.came_into_view.connect(numbers.look)
        view.results.measure_chosen.connect(self._on_measure_chosen)
        view.results.square_clicked.connect(self._on_square_clicked)
        self.watch.changed.connect(self._on_sides_changed)

    def _on_sides_changed(self) -> None:
        sides = self.watch.sides
        self.disagreeing.forget()
        with self.state.events.paused():
            self.state.pair = pair_line(sides)
            self.state.virtual = sides is not None and sides.virtual is not None

    def _name_regions(self) -> None:
        self.state.regions = named_regions(self.session.viewer)

    def _on_choice_changed(self, name: str, value: str) -> None:
        if name == "where":
            self.state.where = value
        else:
            self.numbers.set_choice(name, value)

    def _on_save_requested(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.view, "Folder for the report")
        if chosen:
            self.save(Path(chosen))

    def _on_measure_chosen(self, name: str) -> None:
        self.state.measure = name

    def _on_square_clicked(self, found: Paired, item: int) -> None:
        half = found.square_um / 2
        look_at(self.session.viewer, found.y_um[item] + half, found.x_um[item] + half)
