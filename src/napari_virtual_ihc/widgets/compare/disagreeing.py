"""The camera led from one place of disagreement to the next, with a frame around each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points
from qtpy.QtCore import QObject

from napari_virtual_ihc.widgets.camera import current_magnification, look_at, visible_box
from napari_virtual_ihc.widgets.compare.disagreement_model import Walk, magnification_for

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.disagreement import Disagreement
    from napari_virtual_ihc.widgets.compare.model import CompareState
    from napari_virtual_ihc.widgets.session import Session

_NAME = "Disagreement"
_AROUND = 2**0.5
"""Diameter of a circle around a square, over its side."""


class Disagreeing(QObject):
    """Goes to the next place where virtual and real differ most.

    Parameters
    ----------
    session
        The window.
    state
        What the page says; its ``disagreement`` is written here only.
    """

    def __init__(self, session: Session, state: CompareState) -> None:
        super().__init__()
        self._session, self._state = session, state
        self._walk = Walk()
        self._frame: Points | None = None
        session.disagreement_requested.connect(self.go_on)
        session.blinded.connect(self.forget)

    def go_on(self) -> None:
        """Go to the next place, or say why there is none; nowhere during a blind read.

        The window's status line says it too: the page may be another one.
        """
        if self._session.blind:
            return
        viewer = self._session.viewer
        found, self._state.disagreement = self._walk.step(self._state, visible_box(viewer))
        viewer.status = self._state.disagreement
        if found is not None:
            closer = magnification_for(found.square_um, current_magnification(viewer))
            look_at(viewer, *found.middle_um, closer)
            self._show(found)

    def forget(self) -> None:
        """Begin anew, as with other slides; the frame goes."""
        self._walk = Walk()
        self._state.disagreement = ""
        frame, self._frame = self._frame, None
        if frame in self._session.viewer.layers:
            self._session.viewer.layers.remove(frame)

    def _show(self, found: Disagreement) -> None:
        layers = self._session.viewer.layers
        if self._frame not in layers:
            active = layers.selection.active
            self._frame = self._session.viewer.add_layer(_frame())
            layers.selection.active = active
        assert self._frame is not None
        self._frame.data = np.array([found.middle_um])
        self._frame.size = found.square_um * _AROUND


def _frame() -> Points:
    """Return an empty layer of circles, which a turned view shows as they are.

    They are points, not shapes, which are regions of the user.
    """
    return Points(
        np.zeros((0, 2)), ndim=2, name=_NAME, units=("um", "um"), symbol="disc",
        face_color="transparent", border_color="#d55e00", border_width=0.02,
    )  # fmt: skip
