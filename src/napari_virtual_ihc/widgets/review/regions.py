"""Between regions of a review and the outlines drawn on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.comparison.geojson import Polygon, ReviewRegion
from napari_virtual_ihc.widgets.camera import to_slide
from napari_virtual_ihc.widgets.compare.regions import ellipse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Shapes
    from numpy.typing import NDArray

NAME = "Regions of the review"
_AREAS = ("rectangle", "polygon", "ellipse")
_COLUMNS = ("identity", "name", "classification", "colour", "part", "hole")


def regions_in(viewer: ViewerModel) -> tuple[ReviewRegion, ...]:
    """Return every area drawn in the viewer or read into it, bottom layer first."""
    found: list[ReviewRegion] = []
    for layer in _shapes(viewer):
        found += _regions_of(viewer, layer, len(found))
    return tuple(found)


def show_regions(viewer: ViewerModel, regions: Sequence[ReviewRegion]) -> None:
    """Draw regions in the review's own layer, after those that are there."""
    rings = [row for region in regions for row in _rows(region)]
    if not rings:
        return
    layer = _own_layer(viewer)
    for outline, facts in rings:
        layer.feature_defaults = {name: [value] for name, value in facts.items()}
        layer.add_polygons(outline, edge_color=facts["colour"], face_color="transparent")
    layer.refresh_text()


def region_box(region: ReviewRegion) -> tuple[float, float, float, float]:
    """Return top, left, bottom and right of a region in µm."""
    places = np.concatenate([part.outline for part in region.polygons])
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def _rows(region: ReviewRegion) -> list[tuple[NDArray[np.float64], dict[str, Any]]]:
    """Return each ring of a region with what its shape says of itself."""
    colour = "#{:02x}{:02x}{:02x}".format(*region.colour)
    known = {
        "identity": region.identity,
        "name": region.name,
        "classification": region.classification,
        "colour": colour,
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
        viewer.add_shapes(
            name=NAME,
            ndim=2,
            edge_width=3,
            face_color="transparent",
            units=("um", "um"),
            features=empty,
            text={"string": "{shown}", "size": 10, "color": "black", "anchor": "upper_left"},
        )
    layer: Shapes = viewer.layers[NAME]
    return layer


def _shapes(viewer: ViewerModel) -> list[Shapes]:
    from napari.layers import Shapes

    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


def _regions_of(viewer: ViewerModel, layer: Shapes, before: int) -> list[ReviewRegion]:
    """Return the areas of one layer; rings that were read as one region are one again."""
    grouped: dict[str, list[tuple[dict[str, Any], NDArray[np.float64]]]] = {}
    for index, kind in enumerate(layer.shape_type):
        if str(kind) in _AREAS:
            facts = _facts(layer, index)
            key = facts.get("identity") or f"drawn {index}"
            grouped.setdefault(key, []).append((facts, _corners(viewer, layer, index)))
    return [
        _joined(key, rows, before + number) for number, (key, rows) in enumerate(grouped.items(), 1)
    ]


def _facts(layer: Shapes, index: int) -> dict[str, Any]:
    """Return what a shape says of itself; nothing for one that was drawn by hand."""
    if "identity" not in layer.features.columns:
        return {}
    row = layer.features.iloc[index]
    identity = row["identity"]
    first = list(layer.features["identity"]).index(identity)
    same_ring = [
        other
        for other in range(first, index)
        if tuple(layer.features.iloc[other][["identity", "part", "hole"]])
        == tuple(row[["identity", "part", "hole"]])
    ]
    return {} if same_ring or not isinstance(identity, str) else dict(row)


def _corners(viewer: ViewerModel, layer: Shapes, index: int) -> NDArray[np.float64]:
    world = (layer.data_to_world(point)[-2:] for point in layer.data[index])
    corners = np.array([to_slide(viewer, *point) for point in world])
    return ellipse(corners) if str(layer.shape_type[index]) == "ellipse" else corners


def _joined(
    key: str, rows: list[tuple[dict[str, Any], NDArray[np.float64]]], number: int
) -> ReviewRegion:
    facts = rows[0][0]
    if not facts:
        return ReviewRegion((Polygon(rows[0][1]),), f"Region {number}")
    parts: dict[int, dict[int, NDArray[np.float64]]] = {}
    for row, ring in rows:
        parts.setdefault(int(row["part"]), {})[int(row["hole"])] = ring
    polygons = [_polygon(rings) for _, rings in sorted(parts.items()) if 0 in rings]
    colour = str(facts["colour"]).lstrip("#")
    red, green, blue = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
    name, kind = str(facts["name"]), str(facts["classification"])
    return ReviewRegion(tuple(polygons), name, kind, key, (red, green, blue))


def _polygon(rings: dict[int, NDArray[np.float64]]) -> Polygon:
    return Polygon(rings[0], tuple(ring for hole, ring in sorted(rings.items()) if hole))
