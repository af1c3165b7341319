"""Regions as GeoJSON in the form QuPath writes and reads.

A ``FeatureCollection`` of polygons in pixels of level 0, x first, (0, 0) at the corner of the first
pixel; ``properties`` hold ``objectType``, ``name``, ``color`` and ``classification`` as QuPath
(0.4 and later) has them, and others such as ``measurements``, which are kept as they are. Regions
here are in µm, y first.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import ReviewError
from napari_virtual_ihc.files import atomic_write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Ring = NDArray[np.float64]

_FEWEST = 4
"""Positions of a closed ring, the first repeated at the end."""
_DIGITS = 3
_COLOUR = (31, 79, 216)
_OURS = ("objectType", "name", "color", "classification")
"""Properties that are written anew."""


@dataclass(frozen=True, eq=False)
class Polygon:
    """An area with or without holes.

    Attributes
    ----------
    outline
        (n, 2) float64, (y, x) in µm, the first corner not repeated.
    holes
        Rings of the same form.
    """

    outline: Ring
    holes: tuple[Ring, ...] = ()


@dataclass(frozen=True, eq=False)
class ReviewRegion:
    """A region of a slide that someone marked.

    Attributes
    ----------
    polygons
        Its parts, at least one.
    name, classification
        Free words, may be empty; QuPath writes a derived class as ``"Tumor: Positive"``.
    identity
        UUID that QuPath keeps.
    colour
        Of its outline, RGB 0-255.
    more
        What else a file told of it, JSON values by name; nothing here reads them.
    """

    polygons: tuple[Polygon, ...]
    name: str = ""
    classification: str = ""
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    colour: tuple[int, int, int] = _COLOUR
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReadRegions:
    """What a file held.

    Attributes
    ----------
    regions
        Annotations that are areas, in order.
    skipped
        How many objects were no such, by what they are.
    """

    regions: tuple[ReviewRegion, ...]
    skipped: dict[str, int]


def to_geojson(regions: Iterable[ReviewRegion], mpp: float) -> dict[str, Any]:
    """Return regions of a slide of ``mpp`` µm/px as a FeatureCollection."""
    return {
        "type": "FeatureCollection",
        "features": [_feature(region, mpp) for region in regions],
    }


def from_geojson(content: object, mpp: float, source: str = "GeoJSON") -> ReadRegions:
    """Return the regions of a FeatureCollection, a list of features, or one feature.

    Parameters
    ----------
    content
        As parsed from JSON.
    mpp
        µm/px of level 0 of the slide the regions are of.
    source
        Name for error messages.

    Raises
    ------
    ReviewError
        Where it is none of these, or a polygon is damaged; the sentence says which feature.
    """
    regions, skipped = [], Counter[str]()
    for number, feature in enumerate(_features(content, source), start=1):
        try:
            kind = _unusable(feature)
            if kind:
                skipped[kind] += 1
            else:
                regions.append(_region(feature, mpp))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ReviewError(f"{source}: feature {number} is damaged: {error}.") from error
    return ReadRegions(tuple(regions), dict(skipped))


def write_geojson(path: Path, regions: Sequence[ReviewRegion], mpp: float) -> None:
    """Write regions for QuPath; raises ReviewError where the file cannot be written."""
    text = json.dumps(to_geojson(regions, mpp), ensure_ascii=False, allow_nan=False, indent=1)
    try:
        atomic_write_bytes(path, text.encode())
    except OSError as error:
        raise ReviewError(f"{path.name} cannot be written: {error}.") from error


def read_geojson(path: Path, mpp: float) -> ReadRegions:
    """Read regions that QuPath or :func:`write_geojson` wrote; measurements of NaN become null.

    Raises
    ------
    ReviewError
        Where the file is missing, no JSON, or holds no features.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _name: None)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ReviewError(f"{path.name} cannot be read as GeoJSON: {error}.") from error
    return from_geojson(content, mpp, path.name)


def _features(content: object, source: str) -> list[Any]:
    kind = content.get("type") if isinstance(content, dict) else None
    if isinstance(content, dict) and kind == "FeatureCollection":
        content = content.get("features")
    elif kind == "Feature":
        content = [content]
    if not isinstance(content, list):
        raise ReviewError(f"{source} holds no GeoJSON features; export them from QuPath as such.")
    return content


def _unusable(feature: dict[str, Any]) -> str:
    """Return what a feature is where it is no annotated area, else nothing."""
    kind = str((feature.get("properties") or {}).get("objectType", "annotation"))
    if kind not in ("annotation", "unknown"):
        return kind
    if feature["geometry"] is None:
        return "nothing with a place"
    geometry = str(feature["geometry"]["type"])
    return "" if geometry in ("Polygon", "MultiPolygon") else geometry


def _region(feature: dict[str, Any], mpp: float) -> ReviewRegion:
    geometry, properties = feature["geometry"], feature.get("properties") or {}
    parts = geometry["coordinates"]
    parts = [parts] if geometry["type"] == "Polygon" else parts
    classification = properties.get("classification") or {}
    red, green, blue = _rgb(properties.get("color") or classification.get("color") or _COLOUR)
    return ReviewRegion(
        tuple(_polygon(rings, mpp) for rings in parts),
        str(properties.get("name") or ""),
        ": ".join(classification.get("names") or [classification.get("name") or ""]),
        str(feature.get("id") or uuid.uuid4()),
        (red, green, blue),
        {name: value for name, value in properties.items() if name not in _OURS},
    )


def _polygon(rings: list[Any], mpp: float) -> Polygon:
    outline, *holes = (_ring(ring, mpp) for ring in rings)
    return Polygon(outline, tuple(holes))


def _ring(ring: list[Any], mpp: float) -> Ring:
    places = np.array([position[:2] for position in ring], np.float64)
    if len(places) < _FEWEST or not np.isfinite(places).all():
        raise ValueError("a ring needs four positions of finite numbers")
    if not np.array_equal(places[0], places[-1]):
        raise ValueError("a ring is not closed")
    return places[:-1, ::-1] * mpp


def _rgb(colour: Sequence[Any]) -> list[int]:
    red, green, blue = (min(max(int(value), 0), 255) for value in colour)
    return [red, green, blue]


def _feature(region: ReviewRegion, mpp: float) -> dict[str, Any]:
    parts = [
        [_positions(ring, mpp) for ring in (one.outline, *one.holes)] for one in region.polygons
    ]
    single = len(parts) == 1
    properties = {"objectType": "annotation", "color": list(region.colour), **region.more}
    if region.name:
        properties["name"] = region.name
    if region.classification:
        names = {"name": region.classification, "color": list(region.colour)}
        properties["classification"] = names
    return {
        "type": "Feature",
        "id": region.identity,
        "geometry": {
            "type": "Polygon" if single else "MultiPolygon",
            "coordinates": parts[0] if single else parts,
        },
        "properties": properties,
    }


def _positions(ring: Ring, mpp: float) -> list[list[float]]:
    closed = np.concatenate([ring, ring[:1]])[:, ::-1] / mpp
    positions: list[list[float]] = closed.round(_DIGITS).tolist()
    return positions
