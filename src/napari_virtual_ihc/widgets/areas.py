"""The areas drawn in a viewer or read into it, as regions of the slide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_virtual_ihc.comparison.geojson import Polygon, ReviewRegion
from napari_virtual_ihc.widgets.camera import to_slide

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes
    from numpy.typing import NDArray

_AREAS = ("rectangle", "polygon", "ellipse")
_ROUND = 64


class Area(NamedTuple):
    """A region, which shapes of its layer are its rings, and whether it was read or drawn."""

    region: ReviewRegion
    shapes: tuple[int, ...]
    read: bool


def regions_in(viewer: ViewerModel) -> tuple[ReviewRegion, ...]:
    """Return every area drawn in the viewer or read into it, bottom layer first."""
    return tuple(area.region for areas in areas_in(viewer).values() for area in areas)


def areas_in(viewer: ViewerModel) -> dict[Shapes, list[Area]]:
    """Return the areas of each layer of shapes, bottom layer first."""
    found: dict[Shapes, list[Area]] = {}
    for layer in shape_layers(viewer):
        found[layer] = _areas_of(viewer, layer, sum(map(len, found.values())))
    return found


def region_box(region: ReviewRegion) -> tuple[float, float, float, float]:
    """Return top, left, bottom and right of a region in µm."""
    places = np.concatenate([part.outline for part in region.polygons])
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def lies_outside(region: ReviewRegion, size_um: tuple[float, float]) -> bool:
    """Whether nothing of a region lies on a slide of ``size_um`` (height, width)."""
    top, left, bottom, right = region_box(region)
    return bottom <= 0 or right <= 0 or top >= size_um[0] or left >= size_um[1]


def ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ellipse in a rectangle, given by its four corners, as a polygon."""
    angle = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    middle, down, along = corners.mean(axis=0), *((corners[1:3] - corners[0:2]) / 2)
    half: NDArray[np.float64] = middle + np.outer(np.cos(angle), down)
    return half + np.outer(np.sin(angle), along)


def shape_layers(viewer: ViewerModel) -> list[Shapes]:
    """Return the layers of shapes, bottom first."""
    from napari.layers import Shapes

    return [layer for layer in viewer.layers if isinstance(layer, Shapes)]


def _areas_of(viewer: ViewerModel, layer: Shapes, before: int) -> list[Area]:
    """Return the areas of one layer, numbered on; rings read as one region are one again."""
    facts = _facts(layer)
    grouped: dict[str, list[int]] = {}
    for index, kind in enumerate(layer.shape_type):
        if str(kind) in _AREAS:
            key = facts[index].get("identity") or f"drawn {index}"
            grouped.setdefault(key, []).append(index)
    areas = []
    for number, (key, shapes) in enumerate(grouped.items(), start=before + 1):
        rows = [(facts[index], _corners(viewer, layer, index)) for index in shapes]
        areas.append(Area(_joined(key, rows, number), tuple(shapes), bool(rows[0][0])))
    return areas


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
    more = json.loads(facts["more"])
    return ReviewRegion(tuple(polygons), name, kind, key, (red, green, blue), more)


def _polygon(rings: dict[int, NDArray[np.float64]]) -> Polygon:
    return Polygon(rings[0], tuple(ring for hole, ring in sorted(rings.items()) if hole))
