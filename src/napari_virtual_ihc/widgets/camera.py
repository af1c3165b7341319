"""Where the viewer looks: magnification and visible rectangle, in µm and canvas pixels.

The magnification follows the microscopist's convention: 10× is 1 µm per screen pixel, so a camera
zoom of z screen pixels per µm is 10 z ×.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from napari.components import ViewerModel

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


def visible_box(viewer: ViewerModel) -> Box:
    """Return the rectangle of the world that the canvas shows."""
    y, x = (float(value) for value in viewer.scene.camera.center[-2:])
    height, width = (float(value) for value in viewer.canvas.size)
    half_y, half_x = (size / 2 / float(viewer.scene.camera.zoom) for size in (height, width))
    return Box(y - half_y, x - half_x, y + half_y, x + half_x)


def look_at(viewer: ViewerModel, y: float, x: float, magnification: float | None = None) -> None:
    """Centre the camera on (``y``, ``x``) in µm, at ``magnification`` where it is given."""
    viewer.scene.camera.center = (0.0, y, x)
    if magnification is not None:
        set_magnification(viewer, magnification)
