"""Moving by hand: between the page, the mouse on the canvas and the placement."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.placement import REST, turned
from napari_virtual_ihc.widgets.align.hand_model import Drag, dragged, nice_step
from napari_virtual_ihc.widgets.camera import to_slide, view_centre, visible_box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_virtual_ihc.registration.affine import Affine
    from napari_virtual_ihc.registration.placement import Pose
    from napari_virtual_ihc.widgets.align.hand_view import HandView
    from napari_virtual_ihc.widgets.align.model import AlignState
    from napari_virtual_ihc.widgets.align.placing import Placing
    from napari_virtual_ihc.widgets.session import Session


class HandControl(QObject):
    """Turns the page's boxes and drags on the canvas into a pose of the placement.

    Parameters
    ----------
    session, state, view
        The window, the page's state and its part for moving by hand.
    placing
        What is moved.
    begin
        Lays the slides centre on centre where there is no placement yet; returns whether there is
        one now.
    """

    def __init__(
        self, session: Session, state: AlignState, view: HandView,
        placing: Placing, begin: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__()
        self._session, self._state, self._view = session, state, view
        self._placing, self._begin = placing, begin
        view.shifted.connect(self.shift)
        view.turned.connect(self.turn)
        view.scaled.connect(self.scale)
        view.flipped.connect(self.flip)
        view.reset_requested.connect(self.reset)
        view.dragging_toggled.connect(self.set_dragging)
        placing.changed.connect(self.show)
        session.camera_rested.connect(self._on_camera_rested)
        self._on_camera_rested()

    def shift(self, down_um: float, right_um: float) -> None:
        """Shift the moving slide as it is seen."""
        self._move(np.column_stack([np.eye(2), [down_um, right_um]]))

    def turn(self, degrees: float) -> None:
        """Turn it counter-clockwise about the middle of the view."""
        self._about_middle(degrees, False, 1.0)

    def scale(self, factor: float) -> None:
        """Scale it about the middle of the view."""
        self._about_middle(0.0, False, factor)

    def flip(self) -> None:
        """Let left and right change sides about the middle of the view."""
        self._about_middle(0.0, True, 1.0)

    def reset(self) -> None:
        """Take back all that was done by hand."""
        now = self._placing.now
        if now is not None:
            self._placing.put(replace(now, pose=REST))

    def set_dragging(self, on: bool) -> None:
        """Let drags on the canvas move the slide, or the camera again."""
        callbacks = self._session.viewer.mouse_drag_callbacks
        self._state.dragging = on and self._begin()
        if self._on_drag in callbacks:
            callbacks.remove(self._on_drag)
        if self._state.dragging:
            callbacks.append(self._on_drag)

    def show(self) -> None:
        """Show the placement's pose on the page."""
        now = self._placing.now
        pose = REST if now is None else now.pose
        with self._state.events.paused():
            self._state.pose, self._state.moved = pose, pose != REST
        if now is None:
            self.set_dragging(False)

    def close(self) -> None:
        """Listen no more."""
        if isalive(self._session):
            self.set_dragging(False)
            self._session.camera_rested.disconnect(self._on_camera_rested)

    def _about_middle(self, degrees: float, mirrored: bool, factor: float) -> None:
        centre = np.array(view_centre(self._session.viewer))
        self._move(affine_map.similarity(degrees, mirrored, factor, centre, centre))

    def _move(self, by: Affine, start: Pose | None = None, *, joins: bool = False) -> None:
        """Move the slide from where it is, or from ``start``."""
        now = self._placing.now if self._begin() else None
        if now is not None:
            pose = turned(now.pose if start is None else start, by, now.base.fixed)
            self._placing.put(replace(now, pose=pose), joins=joins)

    def _on_drag(self, viewer: Any, event: Any) -> Iterator[None]:
        """Follow one drag; napari calls this on press and goes on at every movement."""
        if event.button != 1 or self._placing.now is None:
            return
        kind, start = _kind(event.modifiers), _place(viewer, event)
        pose, about = self._placing.now.pose, view_centre(viewer)
        joins = False
        event.handled = True
        yield
        while event.type == "mouse_move":
            event.handled = True
            self._move(dragged(kind, start, _place(viewer, event), about), pose, joins=joins)
            joins = True
            yield
        if joins:
            self._move(dragged(kind, start, _place(viewer, event), about), pose, joins=True)

    def _on_camera_rested(self) -> None:
        view = visible_box(self._session.viewer)
        self._view.set_step(nice_step(view.bottom - view.top))


def _kind(modifiers: Any) -> Drag:
    if "Control" in modifiers:
        return "turn"
    return "scale" if "Shift" in modifiers else "shift"


def _place(viewer: Any, event: Any) -> tuple[float, float]:
    """Return the place of the slide (µm) under the mouse."""
    y, x = event.position[-2:]
    return to_slide(viewer, float(y), float(x))
