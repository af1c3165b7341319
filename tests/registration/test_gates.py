"""What is believed: how many squares must agree, and what is said where it is doubtful."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import BLUE, EOSIN, section, slide_of

from napari_virtual_ihc.errors import RegistrationError
from napari_virtual_ihc.registration import gates
from napari_virtual_ihc.registration.affine import identity, similarity
from napari_virtual_ihc.registration.evidence import Evidence
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.view import view_of

BETWEEN = (0.275, 0.323, 0.203)
"""A stain that might be either."""


def evidence(agreeing, squares):
    return Evidence(agreeing, 0.25, squares, 0.6)


@given(st.floats(0.05, 0.5), st.integers(8, 500))
def test_the_fewer_squares_the_more_of_them_must_agree(least, squares):
    assert least < gates.needed(least, squares + 1) < gates.needed(least, squares) < 1
    assert gates.needed(least, 10**8) == pytest.approx(least, abs=1e-3)


@pytest.mark.parametrize(
    ("agreeing", "squares", "believed"),
    [(0.294, 34, False), (0.23, 53, False), (0.341, 123, True), (0.785, 93, True)],
    ids=["upside down at a wrong scale", "noise", "Ki-67 of the next section", "a kidney"],
)
def test_figures_of_real_pairs_and_wrong_ones_are_told_apart(agreeing, squares, believed):
    reason = gates.objection(identity(), evidence(agreeing, squares))
    assert (not reason) == believed
    assert believed or f"% of {squares} squares agree on any fit" in reason


@pytest.mark.parametrize(
    ("agreeing", "squares", "kept"), [(0.226, 137, True), (0.182, 33, False), (0.191, 89, False)]
)
def test_the_map_returned_is_judged_too(agreeing, squares, kept):
    reason = gates.objection(identity(), evidence(agreeing, squares), gates.LEAST_KEPT)
    assert (not reason) == kept


def test_a_weak_fit_is_said_and_a_strong_one_is_not():
    assert gates.weakness(evidence(0.785, 93)) == ()
    (weak,) = gates.weakness(evidence(0.341, 123))
    assert weak.startswith("A weak fit: 34.1 % of 123 squares agree")
    assert gates.doubts(evidence(0.279, 122)) == ()
    assert gates.doubts(evidence(0.2, 34))[0].startswith("Only 20.0 % of 34 squares agree (")
    assert "before 60.0 %" in gates.doubts(evidence(0.4, 120), 0.6)[0]
    assert gates.doubts(evidence(0.5, 120), 0.6) == ()


def test_which_share_of_the_smaller_slide_lies_on_the_other():
    sizes = (1000.0, 2000.0), (500.0, 500.0)
    shares = [
        gates.common_share(Mapping(similarity(0, False, 1, np.zeros(2), np.array(shift))), *sizes)
        for shift in ([0.0, 0.0], [250.0, 0.0], [600.0, 0.0])
    ]
    assert shares == pytest.approx([1, 0.5, 0], abs=0.02)


def test_slides_of_one_name_are_told_apart():
    slide = slide_of(np.full((64, 64, 3), 240, np.uint8), "slide.tif")
    assert gates.names(slide, slide) == ("slide.tif (fixed)", "slide.tif (moving)")
    assert gates.names(slide, replace(slide, name="b.tif")) == ("slide.tif", "b.tif")
    with pytest.raises(RegistrationError, match=r"slide\.tif \(moving\) shows no tissue"):
        gates.require_tissue(gates.names(slide, slide)[1], view_of(slide, 8.0))


def test_the_wrong_order_is_refused_where_it_is_sure_and_said_where_it_is_not():
    he, ihc, between = (
        slide_of(section(1, colour), name)
        for colour, name in ((EOSIN, "he"), (BLUE, "ihc"), (BETWEEN, "ki67"))
    )
    assert gates.order_remarks(he, ihc) == gates.order_remarks(he, between) == ()
    next_he = slide_of(section(2, EOSIN), "next")
    assert gates.order_remarks(he, next_he) == ("next looks like H&E; is it the real IHC?",)
    with pytest.raises(RegistrationError, match="same picture"):
        gates.order_remarks(he, he)
    assert gates.order_remarks(between, he) == (
        "ki67 looks less like H&E than he; is the H&E the fixed slide?",
    )
    with pytest.raises(RegistrationError, match="in the other order"):
        gates.order_remarks(ihc, he)
