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


def region_box(region: ReviewRegion) -> tuple[float, float, float, float]:
    """Return top, left, bottom and right of a region in µm."""
    places = np.concatenate([part.outline for part in region.polygons])
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def _not_in(present: Sequence[ReviewRegion], regions: Sequence[ReviewRegion]) -> list[ReviewRegion]:
    """Return the regions that are neither known by their identity nor drawn at the same place."""
    identities = {one.identity for one in present}
    places = {_place(one) for one in present}
    return [one for one in regions if one.identity not in identities and _place(one) not in places]


def _place(region: ReviewRegion) -> tuple[float, ...]:
    """Return where a region lies, to 0.1 µm, and how many corners it has."""
    corners = sum(len(part.outline) for part in region.polygons)
    return (corners, *(round(side, 1) for side in region_box(region)))


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
    for index, (kind, facts) in enumerate(zip(layer.shape_type, _facts(layer), strict=True)):
        if str(kind) in _AREAS:
            key = facts.get("identity") or f"drawn {index}"
            grouped.setdefault(key, []).append((facts, _corners(viewer, layer, index)))
    return [
        _joined(key, rows, before + number) for number, (key, rows) in enumerate(grouped.items(), 1)
    ]


def _facts(layer: Shapes) -> list[dict[str, Any]]:
    """Return what each shape says of itself; nothing for one that was drawn or copied by hand."""
    if "identity" not in layer.features.columns:
        return [{}] * len(layer.data)
    facts: list[dict[str, Any]] = layer.features.to_dict("records")
    rings: set[tuple[Any, ...]] = set()
    for row in facts:
        ring = row["identity"], row["part"], row["hole"]
        if ring in rings or not isinstance(row["identity"], str):
            row.clear()
        rings.add(ring)
    return facts


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
