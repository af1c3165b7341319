from __future__ import annotations

import numpy as np
import pytest
from comparison_scenes import slide_of

from napari_virtual_ihc.comparison.agreement import agreements
from napari_virtual_ihc.comparison.cautions import cautions
from napari_virtual_ihc.comparison.extent import stained_share
from napari_virtual_ihc.comparison.figures import coefficient, interval, number, percent
from napari_virtual_ihc.comparison.pair_tally import PairTally
from napari_virtual_ihc.comparison.report import facts
from napari_virtual_ihc.comparison.report_rows import origin_rows, place_words, share_words
from napari_virtual_ihc.comparison.tally import FIELDS, Tally
from napari_virtual_ihc.measures.bootstrap import Estimate

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0129, "0.0129"), (-2.22e-16, "0"), (22.18, "22.2"), (12345.0, "12300"), (None, "–"),
        (NAN, "–"), (-0.000348, "−0.000348"), (-1e-8, "0"), (0.0, "0"), (99.96, "100"),
    ],
)  # fmt: skip
def test_numbers_keep_the_digits_they_carry(value: float | None, words: str) -> None:
    assert number(value) == words


def test_intervals_and_shares_in_words() -> None:
    assert interval(Estimate(0.0, -2.2e-16, 0.0, 5, ""), of_unit=True) == "0 (0 to 0)"
    assert interval(Estimate(-0.004, -0.5, 0.25, 5, ""), of_unit=False) == "0.00 (−0.50 to 0.25)"
    assert interval(Estimate(0.5, NAN, NAN, 2, ""), of_unit=False) == coefficient(0.5) == "0.50"
    assert interval(None, of_unit=True) == percent(NAN) == "–"
    assert percent(0.16) == "16 %"


def tally_of(comparable: float, nuclei: tuple[int, int], *, gated: bool = True) -> PairTally:
    """Return 1 mm² of tissue with so much comparable, and so many nuclei on each slide."""
    sides = []
    for count in nuclei:
        sums = np.zeros((1, 1, len(FIELDS)))
        sums[..., FIELDS.index("inside")] = 1e6 * (comparable if gated else 1)
        sums[..., FIELDS.index("nuclei_0")] = count
        sides.append(Tally(sums))
    areas = {"comparable": 1e6 * comparable, "shifted": 1e6 * (1 - comparable)}
    whole, part = np.full((1, 1), 1e6), np.full((1, 1), 1e6 * comparable)
    return PairTally(*sides, np.zeros((1, 1)), whole, part, areas, "p", gated)


def test_what_stands_on_too_little_is_warned_of() -> None:
    assert cautions(tally_of(0.5, (100, 100))) == ()
    assert cautions(tally_of(0.5, (0, 0))) == ()
    few = cautions(tally_of(0.5, (400, 80)))
    assert len(few) == 1
    assert few[0].startswith("Only 400 nuclei on the virtual and 80 on the real slide")
    assert "Only 5 % of the tissue is comparable, under 10 %" in cautions(tally_of(0.05, (0, 0)))[0]


def test_what_was_measured_is_said() -> None:
    pair = tally_of(0.16, (500, 500), gated=False)
    told = facts(pair, agreements(pair), {"region_um": [0, 0, 500, 500], "stained_share": 0.25})
    assert share_words(told) == (
        "Not gated: all tissue of both slides was measured, 1 mm²; 16 % of the 1 mm² of tissue "
        "with a virtual stain is comparable."
    )
    assert "The virtual stain covers 25 % of the tissue" in place_words(told["provenance"])
    gated = tally_of(0.16, (500, 500))
    words = share_words(facts(gated, agreements(gated), {}))
    assert words.startswith("16 % of the 1 mm² of tissue with a virtual stain is comparable")
    assert "0.16 mm²" in words
    assert told["region"]["positive_nuclei"]["n"] == {"virtual": 500, "real": 500}


def test_who_made_the_pixels_is_said() -> None:
    pair = tally_of(0.5, (0, 0))
    about = {
        "marker": "Ki-67",
        "virtual": {"model": {"name": "demo", "method": "ASP", "weights": "f" * 64}, "mpp": 0.5},
        "real": "a" * 32, "he": "b" * 32, "comparable_by": "H&E and real IHC",
        "registration": {
            "map": "c" * 32, "stage": "elastic", "squares_agreeing": 0.93, "rtre_median": 0.0031,
            "pairs": 12,
        },
        "um_per_px": 0.5, "made_utc": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    rows = dict(origin_rows(facts(pair, [], about)))
    assert rows["Virtual IHC"] == f"Ki-67, model demo (ASP), 0.5 µm/px, weights {'f' * 64}"
    assert rows["Comparable by"].endswith("b" * 32)
    assert rows["Registration"] == (
        "elastic, 93 % of squares agree, median error 0.31 % of the diagonal (rTRE of 12 pairs), "
        f"map {'c' * 32}"
    )
    assert rows["Made"].startswith("2026-01-02 03:04:05 UTC, read at 0.5 µm/px, napari-virtual-ihc")
    bare = dict(origin_rows(facts(pair, [], {})))
    assert bare["Virtual IHC"] == "its file does not say which model made it"
    assert bare["Registration"] == "none given: the slides are taken as aligned"


def test_the_extent_of_a_virtual_stain_is_a_share_of_the_tissue() -> None:
    tissue = np.full((200, 400, 3), 245, np.uint8)
    tissue[40:160, 40:360] = (170, 120, 180)
    half = tissue.copy()
    half[:, 200:] = 245
    whole, virtual = slide_of(tissue, 2.0), slide_of(half, 2.0)
    assert stained_share(virtual, whole) == pytest.approx(0.5, abs=0.03)
    assert stained_share(whole, whole) == 1
    assert np.isnan(stained_share(whole, slide_of(np.full((200, 400, 3), 245, np.uint8), 2.0)))
