"""Draws the regions of a review on the canvas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.widgets.areas import regions_in
from napari_virtual_ihc.widgets.outline_width import add_outlines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Shapes
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.geojson import ReviewRegion

NAME = "Regions of the review"
_COLUMNS = ("identity", "name", "classification", "colour", "more", "part", "hole")


def show_regions(viewer: ViewerModel, regions: Sequence[ReviewRegion]) -> int:
    """Draw regions in the review's own layer; return how many were not there already."""
    new = _not_in(regions_in(viewer), regions)
    rings = [row for region in new for row in _rows(region)]
    if rings:
        layer = _own_layer(viewer)
        before = len(layer.data)
        outlines, facts = [ring for ring, _ in rings], [known for _, known in rings]
        colours = [known["colour"] for known in facts]
        layer.add_polygons(outlines, edge_color=colours, face_color="transparent")
        features = layer.features.copy()
        for name in facts[0]:
            features.loc[before:, name] = [known[name] for known in facts]
        layer.features = features
        layer.refresh_text()
    return len(new)


def _not_in(present: Sequence[ReviewRegion], regions: Sequence[ReviewRegion]) -> list[ReviewRegion]:
    """Return the regions that are neither known by their identity nor drawn already."""
    identities = {one.identity for one in present}
    places = {_place(one) for one in present}
    return [one for one in regions if one.identity not in identities and _place(one) not in places]


def _place(region: ReviewRegion) -> tuple[tuple[float, ...], ...]:
    """Return the corners of all rings of a region, to 0.1 µm."""
    rings = (ring for part in region.polygons for ring in (part.outline, *part.holes))
    return tuple(tuple(ring.round(1).ravel().tolist()) for ring in rings)


def _rows(region: ReviewRegion) -> list[tuple[NDArray[np.float64], dict[str, Any]]]:
    """Return each ring of a region with what its shape says of itself."""
    colour = "#{:02x}{:02x}{:02x}".format(*region.colour)
    known = {
        "identity": region.identity,
        "name": region.name,
        "classification": region.classification,
        "colour": colour,
        "more": json.dumps(dict(region.more)),
    }
    rows = []
    for part, polygon in enumerate(region.polygons):
        for hole, ring in enumerate((polygon.outline, *polygon.holes)):
            shown = "" if part or hole else region.name
            rows.append((ring, known | {"part": part, "hole": hole, "shown": shown}))
    return rows


def _own_layer(viewer: ViewerModel) -> Shapes:
    if NAME not in viewer.layers:
        empty = {name: np.array([], dtype=object) for name in (*_COLUMNS, "shown")}
        made = add_outlines(viewer, NAME, "#1f4fd8")
        made.features = empty
        made.text = {"string": "{shown}", "size": 10, "color": "black", "anchor": "upper_left"}
    layer: Shapes = viewer.layers[NAME]
    return layer
