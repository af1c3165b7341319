from __future__ import annotations

import numpy as np
import pytest
from comparison_scenes import slide_of

from napari_virtual_ihc.comparison.about import (
    NO_MODEL,
    OTHER_HE,
    SAME,
    banner_of,
    made_from,
    notes_of,
    of_model,
    registration_facts,
    require_real,
)
from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.registration.landmarks import Landmarks
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.placement import Placement
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.warp import warp

STATED = {
    "virtual": True,
    "model": {"name": "demo", "marker": "Ki-67", "weights": "f" * 64},
    "slide": {"fingerprint": "a" * 32},
}


def test_a_virtual_slide_is_not_taken_for_a_real_one() -> None:
    require_real("a.tif", {})
    require_real("a.tif", {"schema": "virtual-ihc/phantom-slide/1"})
    with pytest.raises(UsageError, match=r"x\.zarr is a virtual IHC, made by model demo"):
        require_real("x.zarr", STATED)


def test_what_a_reader_must_know_is_noted() -> None:
    assert notes_of({}, "c", None) == [NO_MODEL]
    assert notes_of(STATED, "c", None) == notes_of(STATED, "c", "a" * 32) == []
    assert notes_of(STATED, "c", "b" * 32) == [OTHER_HE]
    assert notes_of(STATED | {"fingerprint": "c"}, "c", None) == [SAME]
    assert of_model({"fingerprint": "d", "schema": "virtual-ihc/phantom-slide/1"}) == {}
    assert of_model(STATED) == STATED
    assert banner_of(STATED, "") == "VIRTUAL Ki-67 · demo"
    assert banner_of({}, "") == "VIRTUAL IHC"


def test_the_registration_is_told_with_the_error_of_its_pairs() -> None:
    slide = slide_of(np.full((60, 80, 3), 200, np.uint8), 1.0)
    assert registration_facts(slide) is None
    section = Section.of(slide)
    plain = Registration(Mapping(np.eye(2, 3)), section, section, agreeing=0.75)
    places = np.array([[10.0, 10.0], [40.0, 50.0], [20.0, 70.0]])
    marked = Landmarks(places, places + np.array([0.0, 3.0]))
    found = Registration(
        plain.mapping, section, section, agreeing=0.75,
        placement=Placement(plain, marked=marked, way="measure"),
    )  # fmt: skip
    real = warp(found, slide)
    told = registration_facts(real)
    assert told == {
        "map": real.fingerprint, "stage": "given", "squares_agreeing": 0.75,
        "rtre_median": pytest.approx(0.03), "pairs": 3,
    }  # fmt: skip
    about = made_from(STATED, "c" * 32, real, "a" * 32)
    assert (about["marker"], about["comparable_by"]) == ("Ki-67", "H&E and real IHC")
    assert about["registration"] == told
    assert about["made_utc"].endswith("+00:00")
