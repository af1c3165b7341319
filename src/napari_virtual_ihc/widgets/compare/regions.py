"""Which region a comparison is about: what is in view, what was drawn, or the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.squares import Box
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.areas import areas_in, lies_outside, region_box, regions_in
from napari_virtual_ihc.widgets.camera import turn_of, view_corners, visible_box
from napari_virtual_ihc.widgets.compare.measuring import Region
from napari_virtual_ihc.widgets.outline_width import add_outlines

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.geojson import ReviewRegion

VIEW, DRAWN, SLIDE = "view", "drawn", "slide"
WHERE = {VIEW: "the region in view", DRAWN: "the drawn region", SLIDE: "the whole slide"}
_NOTHING_DRAWN = "No region is drawn yet: press Draw, then drag a rectangle over the tissue."
_GONE = "That region is not drawn any more; choose another one."
_LAYER = "Compared regions"


def region_of(viewer: ViewerModel, where: str, size_um: tuple[float, float]) -> Region:
    """Return the region that ``where`` names on a slide of ``size_um``.

    Raises
    ------
    VirtualIhcError
        If nothing is drawn, nothing of the slide is in view, or the region lies outside it.
    """
    if where == SLIDE:
        return Region("whole slide")
    if where == VIEW:
        return in_view(viewer, size_um)
    return _of(drawn(viewer) if where == DRAWN else _read(viewer, where), size_um)


def named_regions(viewer: ViewerModel) -> dict[str, str]:
    """Return the regions that were read from a file: words for each, by its identity."""
    read = (area.region for areas in areas_in(viewer).values() for area in areas if area.read)
    return {one.identity: f"“{one.name or one.identity[:8]}”" for one in read}


def in_view(viewer: ViewerModel, size_um: tuple[float, float]) -> Region:
    """Return what is on screen of a slide; raises VirtualIhcError where that is nothing."""
    view = visible_box(viewer)
    top, left = max(view.top, 0.0), max(view.left, 0.0)
    height, width = min(view.bottom, size_um[0]) - top, min(view.right, size_um[1]) - left
    if height <= 0 or width <= 0:
        raise VirtualIhcError("The slide is out of view.")
    rings = (np.array(view_corners(viewer)),) if turn_of(viewer) else ()
    return Region("region in view", Box(top, left, height, width), rings)


def drawn(viewer: ViewerModel) -> ReviewRegion:
    """Return the region of the selected shape, or else the last one drawn, with all its rings.

    Raises
    ------
    VirtualIhcError
        If there is none.
    """
    layers = {layer: areas for layer, areas in areas_in(viewer).items() if areas}
    if not layers:
        raise VirtualIhcError(_NOTHING_DRAWN)
    active = viewer.layers.selection.active
    layer = active if active in layers else list(layers)[-1]
    index = max(layer.selected_data, default=layers[layer][-1].shapes[0])
    chosen = [area.region for area in layers[layer] if index in area.shapes]
    if not chosen:
        raise VirtualIhcError("What is selected is no area; select a rectangle or an outline.")
    return chosen[0]


def _read(viewer: ViewerModel, identity: str) -> ReviewRegion:
    found = [one for one in regions_in(viewer) if one.identity == identity]
    if not found:
        raise VirtualIhcError(_GONE)
    return found[0]


def _of(region: ReviewRegion, size_um: tuple[float, float]) -> Region:
    words = f"region “{region.name or region.identity[:8]}”"
    if lies_outside(region, size_um):
        raise VirtualIhcError(f"The {words} lies outside the slide.")
    top, left, bottom, right = region_box(region)
    rings = tuple(ring for part in region.polygons for ring in (part.outline, *part.holes))
    upright = len(rings) == 1 and _upright(rings[0])
    return Region(words, Box(top, left, bottom - top, right - left), () if upright else rings)


def start_drawing(viewer: ViewerModel) -> None:
    """Let the user draw a rectangle."""
    if _LAYER not in viewer.layers:
        add_outlines(viewer, _LAYER, "#009e73")
    layer = viewer.layers[_LAYER]
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"


def _upright(ring: NDArray[np.float64]) -> bool:
    """Return whether a ring is a rectangle along the slide's axes."""
    return len(ring) == 4 and all(len(np.unique(ring[:, axis].round(6))) == 2 for axis in (0, 1))
