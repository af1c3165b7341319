from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_pictures import write_pair

from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.pictures import Pair, Picture
from napari_virtual_ihc.training.splits import hold_out, slides_of

if TYPE_CHECKING:
    from napari_virtual_ihc.training.findings import Finding


def pair(name: str) -> Pair:
    return Pair(name, Picture(Path("HE") / name), Picture(Path("IHC") / name))


def held(names: list[str]) -> tuple[set[str], set[str], list[Finding]]:
    findings: list[Finding] = []
    train, validation = hold_out([pair(name) for name in names], findings)
    return {p.name for p in train}, {p.name for p in validation}, findings


@given(
    st.dictionaries(st.text("abcXYZ019-", min_size=1), st.integers(1, 6), min_size=2, max_size=30)
)
def test_a_slide_is_never_on_both_sides(tiles: dict[str, int]) -> None:
    names = [f"{slide}_{tile}_7" for slide, count in tiles.items() for tile in range(count)]
    train, validation, findings = held(names)
    assert train | validation == set(names)
    assert not train & validation
    sides = [slides_of(map(pair, side)) for side in (train, validation)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == max(1, round(0.1 * len(tiles)))
    assert findings == []


def test_adding_a_slide_moves_no_other_to_the_other_side_for_nothing() -> None:
    before = [f"s{number}_{tile}_0" for number in range(10) for tile in range(2)]
    after = [*before, "s10_0_0"]
    first, second = held(before)[1], held(after)[1]
    assert len({name.split("_")[0] for name in first ^ second}) in (0, 2)


def test_single_pictures_are_held_out_with_a_warning() -> None:
    train, validation, (finding,) = held([f"tile{number}" for number in range(20)])
    assert (len(train), len(validation)) == (18, 2)
    assert (finding.kind, finding.kept) == ("split", True)
    assert "do not tell slides" in finding.message


def test_one_picture_is_trained_on() -> None:
    assert held(["only"])[:2] == ({"only"}, set())


@pytest.mark.parametrize(
    ("held_out", "shared"),
    [(["b_0_0", "b_1_0"], None), (["a_5_0", "b_0_0"], "1 slides (a)"), (["c"], None)],
)
def test_an_own_split_that_shares_slides_is_kept_and_reported(
    tmp_path: Path, held_out: list[str], shared: str | None
) -> None:
    for seed, name in enumerate(["a_0_0", "a_1_0", "d_0_0"]):
        write_pair(tmp_path, name, seed, ("trainA", "trainB"))
    for seed, name in enumerate(held_out):
        write_pair(tmp_path, name, 10 + seed, ("valA", "valB"))
    data = PairFolder.open(tmp_path, mpp=0.5, marker="ER", crop=32)
    assert [p.name for p in data.validation] == held_out
    told = [(f.kind, f.kept, f.message) for f in data.findings]
    if shared is None:
        assert told == []
    else:
        assert [t[:2] for t in told] == [("split", True)]
        assert shared in told[0][2]
