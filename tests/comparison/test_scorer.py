from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from comparison_scenes import slide_of

from napari_virtual_ihc.comparison.agreement import agreements, totals
from napari_virtual_ihc.comparison.comparability import Verdict
from napari_virtual_ihc.comparison.pairing import PairScorer, require_aligned, score_pair
from napari_virtual_ihc.comparison.scorer import Place, Scorer, estimated
from napari_virtual_ihc.comparison.squares import Box
from napari_virtual_ihc.comparison.tally import FIELDS, MEASURES, Tally
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.stains.unmix import compose
from napari_virtual_ihc.stains.vectors import H_DAB

if TYPE_CHECKING:
    from numpy.typing import NDArray

MPP = 0.5
MEASURE = {measure.name: measure for measure in MEASURES}


def brown(dab: np.ndarray, hematoxylin: float = 0.2) -> np.ndarray:
    """Return the picture of a DAB density (h, w) over even hematoxylin."""
    amounts = np.stack([np.full_like(dab, hematoxylin), dab, np.zeros_like(dab)], -1)
    return compose(amounts, H_DAB)


def noise(seed: int, side: int = 1200) -> np.ndarray:
    """Return DAB in patches of 40 µm, 0 to 0.8 OD."""
    coarse = np.random.default_rng(seed).uniform(0, 0.8, (side // 80, side // 80))
    return np.kron(coarse, np.ones((80, 80)))


def test_sums_of_a_window_are_those_of_its_pixels() -> None:
    dab = np.zeros((200, 200))
    dab[:100, :100], dab[:100, 100:], dab[100:, :50] = 0.25, 0.45, 0.9
    whole = np.ones((200, 200), dtype=bool)
    tally = Scorer(cells="none").tally(brown(dab), whole, Place(0, 0, MPP, (0, 0, 2, 2)))
    area, h_score = MEASURE["dab_area"].of(tally), MEASURE["h_score"].of(tally)
    assert area == pytest.approx(np.array([[100, 100], [50, 0]]))
    assert h_score == pytest.approx(np.array([[100, 200], [150, 0]]))
    assert MEASURE["iod"].of(tally) == pytest.approx(np.array([[0.25, 0.45], [0.45, 0]]), abs=0.02)
    assert MEASURE["dab_area"].of(tally.total())[0, 0] == pytest.approx(62.5)


def test_the_her2_helper_is_told_of_every_square() -> None:
    sums = np.zeros((1, 3, 15))
    sums[0, :2, FIELDS.index("cells_0") :][:, :4] = [[80, 9, 0, 11], [90, 10, 0, 0]]
    tally = Tally(sums)
    assert MEASURE["her2"].of(tally).tolist()[0][:2] == [3, 0]
    assert np.isnan(MEASURE["her2"].of(tally)[0, 2])
    assert MEASURE["complete_membranes"].of(tally)[0, 0] == 11


def test_worked_scores_of_nuclei() -> None:
    sums = np.zeros((1, 2, 15))
    sums[0, 0, FIELDS.index("nuclei_0") :][:4] = [40, 30, 20, 10]
    tally = Tally(sums)
    for name, score in (("cell_h_score", 30 + 2 * 20 + 3 * 10), ("positive_nuclei", 60)):
        assert MEASURE[name].of(tally)[0] == pytest.approx([score, np.nan], nan_ok=True)


def test_squares_are_those_of_the_slide_whatever_the_region() -> None:
    slides = slide_of(brown(noise(1)[:720]), MPP), slide_of(brown(noise(2)[:720]), MPP)
    scorer = Scorer(cells="nuclei")
    whole = score_pair(*slides, scorer, MPP)
    part = score_pair(*slides, scorer, MPP, Box(130, 180, 180, 400))
    assert (part.real.row, part.real.column) == (3, 4)
    rows, columns = part.real.sums.shape[:2]
    for name in ("virtual", "real"):
        expected = getattr(whole, name).sums[3 : 3 + rows, 4 : 4 + columns]
        assert np.array_equal(getattr(part, name).sums, expected)
    assert np.array_equal(part.both, whole.both[3 : 3 + rows, 4 : 4 + columns])


@pytest.mark.parametrize("mpp", [0.46, 0.5, 1.3])
def test_every_pixel_falls_into_one_square(mpp: float) -> None:
    slide = slide_of(brown(noise(1)), 0.5)
    found = score_pair(slide, slide, Scorer(cells="none"), mpp, Box(0, 0, 600, 600))
    assert found.real.of("inside").sum() == pytest.approx(600 * 600, rel=0.01)
    assert found.comparable == 1


def test_coarse_squares_begin_on_their_own_lattice() -> None:
    sums = np.zeros((5, 5, 15))
    sums[..., 0] = np.arange(25).reshape(5, 5)
    tally = Tally(sums, row=1, column=2).coarse(100.0)
    assert (tally.row, tally.column) == (1, 1)
    assert tally.of("inside").tolist() == [[5 + 6 + 10 + 11, 7 + 8 + 12 + 13],
                                           [15 + 16 + 20 + 21, 17 + 18 + 22 + 23]]  # fmt: skip
    with pytest.raises(ValueError, match="no multiple"):
        tally.coarse(250.0)


def square(low: float, high: float) -> NDArray[np.float64]:
    return np.array([(low, low), (low, high), (high, high), (high, low)], np.float64)


def test_blocks_are_scored_once_and_a_region_takes_whole_squares() -> None:
    slides = slide_of(brown(noise(1)), MPP), slide_of(brown(noise(2)), MPP)
    scored: list[tuple[int, int]] = []
    scorer = PairScorer(*slides, Scorer(cells="none"), MPP)
    whole = scorer.tally()
    part = scorer.tally(Box(0, 0, 300, 300), lambda *done: scored.append(done))
    assert scored[-1] == (1, 1)
    assert np.array_equal(part.real.sums, whole.real.sums[:6, :6])
    triangle = np.array([(0.0, 0.0), (301.0, 0.0), (0.0, 301.0)])
    inside = scorer.tally(Box(0, 0, 300, 300), rings=[triangle]).real.of("inside") > 0
    assert inside.tolist() == [[x < 5 - y for x in range(6)] for y in range(6)]
    rings = [square(0, 200), square(60, 140), square(250, 300)]
    inside = scorer.tally(Box(0, 0, 300, 300), rings=rings).real.of("inside") > 0
    expected = np.zeros((6, 6), np.bool_)
    expected[:4, :4] = expected[5, 5] = True
    expected[1:3, 1:3] = False
    assert np.array_equal(inside, expected)
    with pytest.raises(DataError, match="region"):
        scorer.tally(Box(0, 0, 300, 300), rings=[triangle / 50])


def test_agreement_of_every_size_of_square() -> None:
    dab = noise(3)
    virtual = np.clip(dab + np.random.default_rng(4).normal(0, 0.05, dab.shape), 0, None) + 0.05
    pair = score_pair(
        slide_of(brown(virtual), MPP), slide_of(brown(dab), MPP), Scorer(cells="none"), MPP
    )
    found = {(one.measure.name, one.square_um): one for one in agreements(pair)}
    assert {side for _, side in found} == {50.0, 100.0, 250.0, 500.0}
    area = found["dab_area", 50.0]
    assert len(area.real) == 144
    assert area.statistics["pearson"].value > 0.85
    assert area.statistics["bias"].value > 0
    assert 0.9 < area.statistics["dice"].value <= 1
    assert found["dab_area", 500.0].statistics["icc"].n == 1
    assert {"kappa", "icc", "spearman", "lower", "upper"} <= set(area.statistics)
    assert totals(pair)["dab_area"]["virtual"] > totals(pair)["dab_area"]["real"]


class RightHalf:
    name = "right half"

    def verdicts(self, row: int, column: int, h: int, w: int, mpp: float) -> np.ndarray:
        x = (column + np.arange(w) + 0.5) * mpp
        found = np.where(x >= 300, Verdict.COMPARABLE, Verdict.SHIFTED)
        found = np.broadcast_to(found, (h, w)).astype(np.uint8)
        found[:, x < 150] = Verdict.GLASS
        return found


def test_the_gate_leaves_out_and_says_so() -> None:
    dab = noise(5)
    virtual = dab.copy()
    virtual[:, :600] = 0.9
    pair = score_pair(
        slide_of(brown(virtual), MPP), slide_of(brown(dab), MPP), Scorer(cells="none"), MPP,
        gate=RightHalf(),
    )  # fmt: skip
    shares = pair.verdict_shares
    assert pair.comparable == shares["comparable"]
    assert (pair.tissue_um2, pair.measured_um2) == pytest.approx((270_000, 180_000))
    assert (shares.pop("comparable"), shares.pop("shifted")) == pytest.approx((2 / 3, 1 / 3))
    assert set(shares.values()) == {0}
    assert "right half" in pair.protocol
    area = agreements(pair)[0]
    assert len(area.real) == 72
    assert area.virtual == pytest.approx(area.real)
    assert area.comparable == pytest.approx(1)
    assert area.items == pytest.approx(0.0025)


def test_all_tissue_can_be_measured_and_what_is_comparable_be_told() -> None:
    slides = slide_of(brown(noise(5)), MPP), slide_of(brown(noise(6)), MPP)
    scorer = Scorer(cells="none")
    pair = score_pair(*slides, scorer, MPP, gate=RightHalf(), everywhere=True)
    assert not pair.gated
    assert pair.comparable == pytest.approx(2 / 3)
    assert pair.measured_um2 == pytest.approx(360_000)
    half = next(one for one in agreements(pair) if one.square_um == 500)
    assert half.comparable == pytest.approx([4 / 7])
    assert "all of it; of that right half" in pair.protocol


def test_phantom_dab_truth() -> None:
    seen, true = [], []
    scorer = Scorer(cells="none")
    for seed in (3, 5, 10):
        phantom = Phantom(seed, 6144, 6144)
        for row, column in tumour_blocks(phantom)[:2]:
            y, x = row * 512, column * 512
            rgb = phantom.ihc().source.read(0, y, x, 512, 512)[0]
            squares = -(-y // 100), -(-x // 100), 5, 5
            tally = scorer.tally(rgb, np.ones((512, 512), dtype=bool), Place(y, x, MPP, squares))
            dab = phantom.dab(y, x, 512, 512) >= scorer.dab.threshold
            top, left = squares[0] * 100 - y, squares[1] * 100 - x
            for i, j in np.ndindex(4, 4):
                part = dab[top + 100 * i :, left + 100 * j :][:100, :100]
                seen.append(MEASURE["dab_area"].of(tally)[i, j])
                true.append(100 * part.mean())
    assert np.corrcoef(seen, true)[0, 1] >= 0.98
    assert np.mean(seen) == pytest.approx(np.mean(true), abs=1)


def test_slides_of_other_sizes_are_not_aligned() -> None:
    first, second = slide_of(brown(noise(1)), MPP), slide_of(brown(noise(1)), 0.6)
    with pytest.raises(DataError, match="register"):
        require_aligned(first, second)


def test_estimated_vectors_are_found_or_refused() -> None:
    rng = np.random.default_rng(0)
    amounts = np.zeros((200, 200, 3), np.float32)
    amounts[:100, :, 0], amounts[100:, :, 1] = rng.uniform(0.3, 0.8, (2, 100, 200))
    protocol = estimated(compose(amounts, H_DAB))
    assert max(protocol.vectors.angle_to(H_DAB)[:2]) < 5
    with pytest.raises(DataError, match="too little"):
        estimated(np.full((50, 50, 3), 240, np.uint8))
