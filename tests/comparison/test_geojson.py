"""Regions in QuPath's form: what goes out comes in again, and files as QuPath writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_virtual_ihc.comparison.geojson import (
    Polygon,
    ReviewRegion,
    from_geojson,
    read_geojson,
    to_geojson,
    write_geojson,
)
from napari_virtual_ihc.errors import ReviewError

if TYPE_CHECKING:
    from pathlib import Path

QUPATH: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "8a41b5f2-0f0e-4d0a-8f55-3b6f0d3b1c11",
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[1000, 2000], [3000, 2000], [3000, 2500.5], [1000, 2500.5], [1000, 2000]],
                    [[1500, 2100], [1600, 2100], [1600, 2200], [1500, 2100]],
                ],
            },
            "properties": {
                "objectType": "annotation",
                "name": "hot spot",
                "classification": {"name": "Tumor", "color": [200, 0, 0]},
                "isLocked": True,
                "measurements": {"Area": 1.5},
            },
        },
        {
            "type": "Feature",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [
                    [[[0, 0], [10, 0], [10, 10], [0, 0]]],
                    [[[20, 20], [30, 20], [30, 30], [20, 20]]],
                ],
            },
            "properties": {
                "objectType": "annotation",
                "classification": {"names": ["Tumor", "Positive"], "color": [250, 62, 62]},
            },
        },
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [5, 6]},
            "properties": {"objectType": "annotation"},
        },
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
            "properties": {"objectType": "cell"},
        },
        {"type": "Feature", "geometry": None, "properties": {"objectType": "annotation"}},
    ],
}


def test_a_file_of_qupath_is_read_in_micrometres() -> None:
    found = from_geojson(QUPATH, 0.5)
    first, second = found.regions
    np.testing.assert_array_equal(
        first.polygons[0].outline, [[1000, 500], [1000, 1500], [1250.25, 1500], [1250.25, 500]]
    )
    np.testing.assert_array_equal(
        first.polygons[0].holes[0], [[1050, 750], [1050, 800], [1100, 800]]
    )
    assert (first.name, first.classification) == ("hot spot", "Tumor")
    assert first.identity == "8a41b5f2-0f0e-4d0a-8f55-3b6f0d3b1c11"
    assert first.colour == (200, 0, 0)
    assert second.classification == "Tumor: Positive"
    assert len(second.polygons) == 2
    assert found.skipped == {"Point": 1, "cell": 1, "nothing with a place": 1}


def test_regions_come_back_as_they_went(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    outlines = [rng.uniform(0, 40_000, (n, 2)) for n in (3, 4, 60)]
    parts = (Polygon(outlines[0]), Polygon(outlines[1], (outlines[2],)))
    region = ReviewRegion(parts, "Müller 3", "Stroma", colour=(1, 2, 3))
    path = tmp_path / "regions.geojson"
    write_geojson(path, [region], 0.2527)
    (back,) = read_geojson(path, 0.2527).regions
    assert (back.name, back.classification, back.identity, back.colour) == (
        region.name, region.classification, region.identity, region.colour,
    )  # fmt: skip
    for before, after in zip(region.polygons, back.polygons, strict=True):
        np.testing.assert_allclose(after.outline, before.outline, atol=0.001)
        for one, other in zip(before.holes, after.holes, strict=True):
            np.testing.assert_allclose(other, one, atol=0.001)


def test_what_else_qupath_tells_of_a_region_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "qupath.geojson"
    path.write_text(json.dumps(QUPATH).replace("1.5}", '1.5, "Hue": NaN}'))
    first, second = read_geojson(path, 0.5).regions
    assert first.more == {"isLocked": True, "measurements": {"Area": 1.5, "Hue": None}}
    assert second.more == {}
    write_geojson(path, [first], 0.5)
    (feature,) = json.loads(path.read_text("utf-8"))["features"]
    assert feature["properties"] == {
        "objectType": "annotation",
        "color": [200, 0, 0],
        "isLocked": True,
        "measurements": {"Area": 1.5, "Hue": None},
        "name": "hot spot",
        "classification": {"name": "Tumor", "color": [200, 0, 0]},
    }


def test_qupaths_fields_are_written() -> None:
    square = Polygon(np.array([[0, 0], [0, 5], [5, 5], [5, 0.0]]))
    (feature,) = to_geojson([ReviewRegion((square,), "a", "Tumor")], 0.5)["features"]
    assert feature["properties"]["objectType"] == "annotation"
    assert feature["properties"]["classification"]["name"] == "Tumor"
    assert feature["geometry"]["coordinates"] == [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]


@pytest.mark.parametrize("content", [QUPATH["features"], QUPATH["features"][0]])
def test_lists_and_single_features_are_read_too(content: object) -> None:
    assert from_geojson(content, 1.0).regions[0].name == "hot spot"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"type": "Topology"}, "no GeoJSON features"),
        ([{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0]]]}}], "four"),
        (
            [{"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [2, 2]]]}}],
            "not closed",
        ),
        ([{"geometry": 5}], "feature 1 is damaged"),
    ],
)
def test_damage_is_one_sentence(content: object, words: str) -> None:
    with pytest.raises(ReviewError, match=words):
        from_geojson(content, 1.0)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(QUPATH)[:100])
    with pytest.raises(ReviewError, match=r"x\.geojson cannot be read"):
        read_geojson(path, 1.0)
