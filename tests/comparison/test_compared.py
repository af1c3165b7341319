"""The slides of one comparison: which may lie on each other, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from comparison_scenes import slide_of

from napari_virtual_ihc.comparison.compared import Compared
from napari_virtual_ihc.comparison.squares import Box
from napari_virtual_ihc.errors import DataError, RegistrationError
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.warp import warp


def slides(count: int, side: int = 64) -> list:
    draw = np.random.default_rng(side)
    return [slide_of(draw.integers(0, 255, (side, side, 3), np.uint8), 0.5) for _ in range(count)]


def test_the_he_that_judges_is_the_one_registered() -> None:
    he, other, virtual, scanned = slides(4)
    real = warp(Registration(Mapping(np.eye(2, 3)), Section.of(he), Section.of(scanned)), scanned)
    told = Compared(virtual, real, scanned, he).about(0.5, Box(0, 0, 50, 50))
    assert told["comparable_by"] == "H&E and real IHC"
    assert told["registration"]["map"] == real.fingerprint
    assert (told["real"], told["region_um"]) == (scanned.fingerprint, [0, 0, 50, 50])
    with pytest.raises(RegistrationError, match="is not the fixed slide registered"):
        Compared(virtual, real, scanned, other)


def test_without_an_he_the_virtual_ihc_judges() -> None:
    virtual, real = slides(2)
    pair = Compared(virtual, real, real)
    assert pair.pair.fixed_kind == "ihc"
    told = pair.about(0.5, None)
    assert (told["comparable_by"], told["registration"]) == ("virtual and real IHC", None)
    with pytest.raises(DataError, match="register the real one first"):
        Compared(slides(1, 80)[0], real, real)
