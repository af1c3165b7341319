"""Which region a comparison is about: what is in view, what was drawn, or the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.squares import Box
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.camera import to_slide, turn_of, view_corners, visible_box
from napari_virtual_ihc.widgets.compare.measuring import Region

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes
    from numpy.typing import NDArray

VIEW, DRAWN, SLIDE = "view", "drawn", "slide"
WHERE = {VIEW: "the region in view", DRAWN: "the drawn region", SLIDE: "the whole slide"}
_NOTHING_DRAWN = "No region is drawn yet: press Draw, then drag a rectangle over the tissue."
_ROUND = 64
_LAYER = "Compared regions"


def region_of(viewer: ViewerModel, where: str, size_um: tuple[float, float]) -> Region:
    """Return the region that ``where`` names on a slide of ``size_um``.

    Raises
    ------
    VirtualIhcError
        If nothing is drawn, or nothing of the slide is in view.
    """
    if where == SLIDE:
        return Region("whole slide")
    return in_view(viewer, size_um) if where == VIEW else drawn(viewer)


def in_view(viewer: ViewerModel, size_um: tuple[float, float]) -> Region:
    """Return what is on screen of a slide; raises VirtualIhcError where that is nothing."""
    view = visible_box(viewer)
    top, left = max(view.top, 0.0), max(view.left, 0.0)
    height, width = min(view.bottom, size_um[0]) - top, min(view.right, size_um[1]) - left
    if height <= 0 or width <= 0:
        raise VirtualIhcError("The slide is out of view.")
    corners = np.array(view_corners(viewer)) if turn_of(viewer) else None
    return Region("region in view", Box(top, left, height, width), corners)


def drawn(viewer: ViewerModel) -> Region:
    """Return the selected shape, or else the last one drawn; raises VirtualIhcError for none."""
    layer = _shapes(viewer)
    if layer is None:
        raise VirtualIhcError(_NOTHING_DRAWN)
    index = max(layer.selected_data, default=len(layer.data) - 1)
    points = (layer.data_to_world(point)[-2:] for point in layer.data[index])
    corners = np.array([to_slide(viewer, *point) for point in points])
    (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0)
    box = Box(float(top), float(left), float(bottom - top), float(right - left))
    outline = _outline(corners, str(layer.shape_type[index]))
    return Region("drawn region", box, outline)


def start_drawing(viewer: ViewerModel) -> None:
    """Let the user draw a rectangle."""
    if _LAYER not in viewer.layers:
        viewer.add_shapes(
            name=_LAYER,
            ndim=2,
            edge_color="#009e73",
            face_color="transparent",
            edge_width=3,
            units=("um", "um"),
        )
    layer = viewer.layers[_LAYER]
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"


def _shapes(viewer: ViewerModel) -> Shapes | None:
    """Return the active layer of shapes, or else the topmost with any."""
    from napari.layers import Shapes

    found = [one for one in viewer.layers if isinstance(one, Shapes) and len(one.data)]
    active = viewer.layers.selection.active
    return active if active in found else (found[-1] if found else None)


def _outline(corners: NDArray[np.float64], kind: str) -> NDArray[np.float64] | None:
    """Return the corners of a shape as a polygon, None for an upright rectangle."""
    if kind == "ellipse":
        return ellipse(corners)
    upright = all(len(np.unique(corners[:, axis].round(6))) == 2 for axis in (0, 1))
    return None if kind == "rectangle" and upright else corners


def ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ellipse in a rectangle, given by its four corners, as a polygon."""
    angle = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    middle, down, along = corners.mean(axis=0), *((corners[1:3] - corners[0:2]) / 2)
    half: NDArray[np.float64] = middle + np.outer(np.cos(angle), down)
    return half + np.outer(np.sin(angle), along)
