"""Which place of disagreement comes next, and what the Compare page says; no window."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_virtual_ihc.comparison.cautions import TOO_FEW
from napari_virtual_ihc.comparison.comparability import COLOURS, VERDICTS, Verdict
from napari_virtual_ihc.comparison.disagreement import Disagreement
from napari_virtual_ihc.comparison.pair_tally import PairTally
from napari_virtual_ihc.comparison.squares import Box as Region
from napari_virtual_ihc.comparison.tally import FIELDS, Tally
from napari_virtual_ihc.measures.bootstrap import Estimate
from napari_virtual_ihc.widgets.camera import Box
from napari_virtual_ihc.widgets.compare.disagreement_model import (
    NO_DIFFERENCE,
    NO_NUMBERS,
    Walk,
    magnification_for,
)
from napari_virtual_ihc.widgets.compare.model import CompareState, too_large
from napari_virtual_ihc.widgets.compare.words import (
    caution_line,
    interval,
    region_table,
    share_line,
    verdict_table,
)

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.compare.measuring import Answer

HERE, AWAY = Box(0, 0, 100, 100), Box(5000, 5000, 5100, 5100)


def answer(*differences: float) -> Answer:
    worst = [Disagreement(0.0, 0.0, 100.0, 3.21 + one, 3.21) for one in differences]
    region = SimpleNamespace(box=Region(0, 0, 400, 400))
    return cast("Answer", SimpleNamespace(region=region, disagreements=worst))


def test_the_walk_goes_round_and_says_where_it_is() -> None:
    state, walk = CompareState(), Walk()
    assert walk.step(state, HERE) == (None, NO_NUMBERS)
    state.answer = answer(40.0, 2.0)
    found, words = walk.step(state, HERE)
    assert found is state.answer.disagreements[0]
    assert words == (
        "Disagreement 1 of 2: DAB area 43.2 % virtual, 3.21 % real, in a square of 100 µm."
    )  # fmt: skip
    assert walk.step(state, AWAY)[1].startswith("Disagreement 2 of 2")
    assert walk.step(state, HERE)[1].startswith("Disagreement 1 of 2")
    state.answer = answer()
    assert walk.step(state, HERE) == (None, NO_DIFFERENCE)


def test_a_view_is_walked_through_while_one_stays_near_it() -> None:
    state, walk = CompareState(), Walk()
    state.view_answer = answer(40.0, 20.0, 10.0)
    assert walk.step(state, HERE)[1].startswith("Disagreement 1 of 3")
    state.view_answer = answer(5.0)
    assert walk.step(state, HERE)[1].startswith("Disagreement 2 of 3")
    assert walk.step(state, AWAY)[1].startswith("Disagreement 1 of 1")
    state.view_answer = None
    assert walk.step(state, AWAY) == (None, NO_NUMBERS)


def test_a_square_is_seen_large_enough_and_never_from_farther() -> None:
    assert magnification_for(100, 2.5) == 10
    assert magnification_for(50, 2.5) == 20
    assert magnification_for(50, 33.0) == 33
    assert magnification_for(10, 1.0) == 40


def test_shares_of_all_verdicts_are_told_with_their_colours() -> None:
    none = Tally(np.zeros((1, 1, len(FIELDS))))
    areas = {VERDICTS[one]: 0.0 for one in Verdict if one != Verdict.GLASS}
    areas |= {"comparable": 600.0, "shifted": 300.0, "missing tissue": 100.0}
    tally = PairTally(none, none, *np.zeros((3, 1, 1)), areas, "", True)
    table = verdict_table(cast("Answer", SimpleNamespace(tally=tally)))
    assert 'comparable</td><td align="right">60 %' in table
    assert 'torn or folded</td><td align="right">0 %' in table
    assert bytes(COLOURS[Verdict.SHIFTED][:3]).hex() in table
    assert table.count("bgcolor") == 6
    bare = PairTally(none, none, *np.zeros((3, 1, 1)), {}, "", False)
    assert verdict_table(cast("Answer", SimpleNamespace(tally=bare))) == ""


def test_small_numbers_keep_their_digits() -> None:
    bias = interval("bias", Estimate(0.0129, 0.011, 0.0151, 20, ""))
    assert bias.startswith("0.0129<br>")
    assert "0.011\u2060…\u20600.0151" in bias
    assert interval("icc", Estimate(0.8312, np.nan, np.nan, 2, "")) == "0.83"
    assert interval("kappa", None) == interval("kappa", Estimate(*[np.nan] * 3, 3, "")) == "–"


def test_numbers_of_too_few_nuclei_are_none_and_others_say_how_many() -> None:
    sides = []
    for nuclei in (50, 400):
        known = {"inside": 1700.0, "nuclei_0": nuclei, "nuclei_1": nuclei}
        sums = dict.fromkeys(FIELDS, 0.0) | known
        sides.append(Tally(np.array([[list(sums.values())]])))
    whole = np.full((3, 1, 1), 107_000.0)
    areas = {"comparable": 1700.0}
    told = cast(
        "Answer",
        SimpleNamespace(
            tally=PairTally(sides[0], sides[1], *whole, areas, "", True),
            region=SimpleNamespace(words="region in view", rings=()),
            failed=0,
        ),
    )
    table = region_table(told)
    few, many = f"–<br><small>{TOO_FEW} (100", "50<br><small>of 800 nuclei"
    assert many in table
    assert few not in table
    sides[0].sums[..., FIELDS.index("nuclei_0")] -= 1
    table = region_table(told)
    assert f"–<br><small>{TOO_FEW} (99 nuclei)" in table
    assert many in table
    assert "Only 99 nuclei on the virtual and 800 on the real" in caution_line(told)
    assert "0.0017 mm² on both slides" in share_line(told)


def test_a_view_that_is_too_large_is_told_its_size_and_the_bound() -> None:
    assert too_large(7.314) == (
        "This view is 7.31 mm²; by itself it is measured up to 2 mm². Zoom in, or press Measure."
    )
