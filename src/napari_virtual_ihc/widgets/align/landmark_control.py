"""Marking pairs: between the page, the layers of points and the placement they decide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.registration.landmark_files import read_pairs
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.widgets.align.landmark_layers import LandmarkLayers
from napari_virtual_ihc.widgets.align.landmark_model import worst
from napari_virtual_ihc.widgets.camera import look_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.registration.landmark_fit import Way
    from napari_virtual_ihc.widgets.align.landmark_view import LandmarkView
    from napari_virtual_ihc.widgets.align.model import AlignState
    from napari_virtual_ihc.widgets.align.placing import Placing
    from napari_virtual_ihc.widgets.align.warped_layer import WarpedLayer
    from napari_virtual_ihc.widgets.session import Session

_CSV = "Landmarks (*.csv)"


class LandmarkControl(QObject):
    """Turns clicks and the page's buttons into pairs of the placement.

    Parameters
    ----------
    session, state, view
        The window, the page's state and its part for pairs.
    placing, warped
        What pairs decide, and the layer that shows it.
    begin
        Lays the slides centre on centre where there is no placement yet; returns whether there is
        one now.
    """

    def __init__(
        self, session: Session, state: AlignState, view: LandmarkView,
        placing: Placing, warped: WarpedLayer, begin: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__()
        self._session, self._state, self._view = session, state, view
        self._placing, self._begin = placing, begin
        self.layers = LandmarkLayers(session, warped)
        self.layers.edited.connect(self.put)
        view.marking_toggled.connect(self.set_marking)
        view.delete_requested.connect(self.delete)
        view.pair_chosen.connect(self.look_at_pair)
        view.way_chosen.connect(self.set_way)
        view.open_requested.connect(self._on_open_requested)
        placing.changed.connect(self.show)
        warped.shown.connect(self.show)

    def set_marking(self, on: bool) -> None:
        """Let clicks mark pairs, or no more."""
        self._state.marking = on and self._begin()
        self.layers.set_marking(self._state.marking)

    def put(self, marked: Landmarks) -> None:
        """Take these pairs."""
        now = self._placing.now
        if now is not None:
            self._placing.put(replace(now, marked=marked))

    def set_way(self, way: Way) -> None:
        """Say what pairs do."""
        now = self._placing.now
        if now is not None:
            self._placing.put(replace(now, way=way))

    def delete(self, number: int) -> None:
        """Delete a pair, from 0; the last one where none is chosen."""
        now = self._placing.now
        if now is not None:
            count = max(len(now.marked.fixed), len(now.marked.moving))
            self.put(now.marked.without([number if 0 <= number < count else count - 1]))

    def look_at_pair(self, number: int) -> None:
        """Bring a pair, from 0, to the middle of the view."""
        now = self._placing.now
        if now is not None and number < len(now.marked.fixed):
            look_at(self._session.viewer, *(float(part) for part in now.marked.fixed[number]))
            self.layers.select(number)

    def open(self, fixed: Path, moving: Path) -> None:
        """Take the pairs of two CSV files with X and Y in px, paired by number or line."""
        if not self._begin() or self._placing.now is None:
            return
        base = self._placing.now.base
        try:
            pairs = read_pairs(fixed, moving, (base.fixed.shape, base.moving.shape))
        except VirtualIhcError as error:
            self._state.error = str(error)
            return
        self.put(Landmarks(pairs.fixed * base.fixed.mpp, pairs.moving * base.moving.mpp))
        self._state.notice = pairs.note

    def show(self) -> None:
        """Show the placement's pairs in both layers and on the page."""
        now = self._placing.now
        marked = Landmarks() if now is None else now.marked
        with self._state.events.paused():
            self._state.marked = len(marked.fixed), len(marked.moving)
            self._state.way = "correct" if now is None else now.way
            if now is None:
                self._state.marking, self._state.errors, self._state.medians = False, (), ()
        errors = self._state.errors
        self.layers.show(marked, worst(errors) if len(errors) == marked.count else None)

    def close(self) -> None:
        """Stop, and take the layers away."""
        self.layers.close()

    def _on_open_requested(self) -> None:
        fixed, _ = QFileDialog.getOpenFileName(self._view, "Landmarks of the H&E", "", _CSV)
        moving, _ = QFileDialog.getOpenFileName(self._view, "Landmarks of the IHC", "", _CSV)
        if fixed and moving:
            self.open(Path(fixed), Path(moving))
