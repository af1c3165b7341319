"""Where the viewer looks: magnification and visible rectangle, in µm and canvas pixels.

The magnification follows the microscopist's convention: 10× is 1 µm per screen pixel, so a camera
zoom of z screen pixels per µm is 10 z ×.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel
    from numpy.typing import NDArray

PRESETS = (1, 2, 5, 10, 20, 40)
_UM_PER_PIXEL_AT_1X = 10.0


class Box(NamedTuple):
    """A rectangle in µm: top, left, bottom and right."""

    top: float
    left: float
    bottom: float
    right: float

    @property
    def centre(self) -> tuple[float, float]:
        """Centre, (y, x) in µm."""
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2

    def common(self, other: Box) -> Box:
        """Return what the two rectangles share, or an empty one at the origin."""
        if not self.intersects(other):
            return Box(0, 0, 0, 0)
        top, left = max(self.top, other.top), max(self.left, other.left)
        return Box(top, left, min(self.bottom, other.bottom), min(self.right, other.right))

    def intersects(self, other: Box) -> bool:
        """Whether the two rectangles share area."""
        return (
            self.top < other.bottom
            and other.top < self.bottom
            and self.left < other.right
            and other.left < self.right
        )


def zoom_for(magnification: float) -> float:
    """Return the camera zoom (screen pixels per µm) of a magnification."""
    return magnification / _UM_PER_PIXEL_AT_1X


def magnification_of(zoom: float) -> float:
    """Return the magnification of a camera zoom (screen pixels per µm)."""
    return zoom * _UM_PER_PIXEL_AT_1X


def next_preset(magnification: float, step: int) -> int:
    """Return the nearest preset above (``step`` 1) or below (``step`` -1) a magnification."""
    if step > 0:
        above = [preset for preset in PRESETS if preset > magnification * 1.01]
        return above[0] if above else PRESETS[-1]
    below = [preset for preset in PRESETS if preset < magnification * 0.99]
    return below[-1] if below else PRESETS[0]


def current_magnification(viewer: ViewerModel) -> float:
    """Return the magnification on screen, provided the world is in µm."""
    return magnification_of(float(viewer.scene.camera.zoom))


def set_magnification(viewer: ViewerModel, magnification: float) -> None:
    """Zoom to ``magnification`` around the centre of the view."""
    viewer.scene.camera.zoom = zoom_for(magnification)


def turn_of(viewer: ViewerModel) -> float:
    """Return by how many degrees the view is turned clockwise; see :mod:`turning`."""
    return float(viewer.scene.camera.angles[2])


def rotation(degrees: float) -> NDArray[np.float64]:
    """Return the 3 × 3 matrix that turns (y, x, 1) clockwise on screen about the origin."""
    angle = np.deg2rad(degrees)
    cos, sin = np.round([np.cos(angle), np.sin(angle)], 12)
    return np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])


def to_world(viewer: ViewerModel, y: float, x: float) -> tuple[float, float]:
    """Return where napari has a place of the slide (µm): turned with the view."""
    turned = rotation(turn_of(viewer))[:2, :2] @ (y, x)
    return float(turned[0]), float(turned[1])


def to_slide(viewer: ViewerModel, y: float, x: float) -> tuple[float, float]:
    """Return the place of the slide (µm) at a world position of napari's, such as a click."""
    straight = rotation(-turn_of(viewer))[:2, :2] @ (y, x)
    return float(straight[0]), float(straight[1])


def view_corners(viewer: ViewerModel) -> tuple[tuple[float, float], ...]:
    """Return the corners of what the canvas shows, (y, x) in µm of the slide, around it."""
    y, x = (float(value) for value in viewer.scene.camera.center[-2:])
    height, width = (float(value) for value in viewer.canvas.size)
    half_y, half_x = (size / 2 / float(viewer.scene.camera.zoom) for size in (height, width))
    signs = ((-1, -1), (-1, 1), (1, 1), (1, -1))
    return tuple(to_slide(viewer, y + a * half_y, x + b * half_x) for a, b in signs)


def visible_box(viewer: ViewerModel) -> Box:
    """Return the rectangle of the slide (µm) that holds what the canvas shows."""
    return bounding_box(view_corners(viewer))


def bounding_box(corners: Iterable[tuple[float, float]]) -> Box:
    """Return the smallest rectangle that holds all places (y, x)."""
    ys, xs = zip(*corners, strict=True)
    return Box(min(ys), min(xs), max(ys), max(xs))


def view_centre(viewer: ViewerModel) -> tuple[float, float]:
    """Return the place of the slide in the middle of the canvas, (y, x) in µm."""
    y, x = viewer.scene.camera.center[-2:]
    return to_slide(viewer, float(y), float(x))


def look_at(viewer: ViewerModel, y: float, x: float, magnification: float | None = None) -> None:
    """Centre the camera on (``y``, ``x``) in µm, at ``magnification`` where it is given."""
    viewer.scene.camera.center = (0.0, *to_world(viewer, y, x))
    if magnification is not None:
        set_magnification(viewer, magnification)


def set_turn(viewer: ViewerModel, degrees: float) -> None:
    """Turn the view to ``degrees`` clockwise, around its centre."""
    y, x = view_centre(viewer)
    first, second, _ = viewer.scene.camera.angles
    viewer.scene.camera.angles = (first, second, degrees % 360)
    look_at(viewer, y, x)


def turn_by(viewer: ViewerModel, degrees: float) -> None:
    """Turn the view by so many degrees clockwise, around its centre."""
    set_turn(viewer, turn_of(viewer) + degrees)
