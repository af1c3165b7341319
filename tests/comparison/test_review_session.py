"""A review saved is the review opened; what does not fit is told in one sentence."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_virtual_ihc.comparison.blind_read import BlindRead, View, now_utc, to_csv, write_csv
from napari_virtual_ihc.comparison.geojson import Polygon, ReviewRegion
from napari_virtual_ihc.comparison.review_session import (
    RegistrationReference,
    ReviewSession,
    SlideReference,
    find,
    load,
    relative_to,
    require_same,
    save,
)
from napari_virtual_ihc.errors import ReviewError, VirtualIhcError

if TYPE_CHECKING:
    from pathlib import Path

HE, IHC = "a" * 32, "b" * 32
VIEW = View(1200.5, 300.25, 20.0, 37.0, HE, "hot spot")
READ = BlindRead("r 1", "Tumor", VIEW, "3+", "=patchy", "demo", "HER2", "AB", "t0", "t1", "t2")
REVIEW = ReviewSession(
    (SlideReference(HE, 0.5, "slides/he.svs"), SlideReference(IHC, 0.25)),
    HE,
    RegistrationReference(HE, IHC, "fit"),
    "demo",
    {"device": "cpu", "statistics": "fixed"},
    (ReviewRegion((Polygon(np.array([[0, 0], [0, 9], [7, 7.0]])),), "r 1", "Tumor"),),
    (VIEW, replace(VIEW, note="")),
    (READ,),
    VIEW,
)


def test_what_is_saved_is_what_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "case.review.json"
    save(REVIEW, path)
    back = load(path)
    assert replace(back, regions=()) == replace(REVIEW, regions=())
    (region,), (before,) = back.regions, REVIEW.regions
    np.testing.assert_allclose(region.polygons[0].outline, before.polygons[0].outline)
    assert (region.name, region.classification) == ("r 1", "Tumor")


def test_nothing_of_a_file_is_kept_that_was_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "case.review.json"
    slides = tuple(replace(slide, path=None) for slide in REVIEW.slides)
    save(replace(REVIEW, slides=slides), path)
    assert "svs" not in path.read_text()
    assert str(tmp_path) not in path.read_text()


def test_slides_are_found_beside_the_review(tmp_path: Path) -> None:
    review, slide = tmp_path / "reviews" / "a.json", tmp_path / "slides" / "he.svs"
    slide.parent.mkdir()
    slide.touch()
    reference = SlideReference(HE, 0.5, relative_to(slide, review))
    assert reference.path == "../slides/he.svs"
    review.parent.mkdir()
    assert find(reference, review).samefile(slide)
    slide.unlink()
    with pytest.raises(ReviewError, match=r"needs the slide he\.svs, which is not at"):
        find(reference, review)
    with pytest.raises(ReviewError, match="with fingerprint aaaaaaaa…, whose place was not kept"):
        find(SlideReference(HE, 0.5), review)
    with pytest.raises(ReviewError, match=r"The slide he\.svs has changed"):
        require_same(reference, IHC)
    require_same(reference, HE)


@pytest.mark.parametrize("field", ["slides", "regions", "views", "reads"])
def test_a_damaged_review_is_refused(tmp_path: Path, field: str) -> None:
    path = tmp_path / "case.json"
    save(REVIEW, path)
    content = json.loads(path.read_text())
    content[field] = [{"nonsense": 1}]
    path.write_text(json.dumps(content))
    with pytest.raises(ReviewError, match=r"case\.json"):
        load(path)
    content["schema"] = "virtual-ihc/review/9"
    path.write_text(json.dumps(content))
    with pytest.raises(VirtualIhcError, match="schema"):
        load(path)


def test_reads_are_a_table(tmp_path: Path) -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([READ])))
    assert row["region"] == "r 1"
    assert (row["score"], row["model"], row["reader"]) == ("3+", "demo", "AB")
    assert float(row["view_y_um"]) == 1200.5
    assert float(row["view_rotation_degrees"]) == 37.0
    assert row["note"] == "'=patchy"
    assert (row["scored_utc"], row["revealed_utc"]) == ("t1", "t2")
    write_csv(tmp_path / "reads.csv", [READ, READ])
    assert len((tmp_path / "reads.csv").read_text("utf-8-sig").splitlines()) == 3
    assert now_utc().endswith("+00:00")
