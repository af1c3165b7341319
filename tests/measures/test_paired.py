from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from napari_virtual_ihc.measures.bootstrap import estimate
from napari_virtual_ihc.measures.kappa import weighted_kappa
from napari_virtual_ihc.measures.paired import dice, kappa, paired_agreement
from napari_virtual_ihc.measures.reliability import icc_2_1, icc_of, moments

SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
COHEN = [[0.44, 0.07, 0.09], [0.05, 0.20, 0.05], [0.01, 0.03, 0.06]]
COHEN_WEIGHTS = [[0, 1, 3], [1, 0, 6], [3, 6, 0]]


def floats(values: list[int]) -> np.ndarray:
    return np.asarray(values, np.float64)


def test_icc_of_shrout_and_fleiss_1979() -> None:
    assert icc_2_1(np.asarray(SHROUT_FLEISS, np.float64)) == pytest.approx(0.29, abs=0.005)


def test_limits_of_bland_and_altman_1986() -> None:
    found = paired_agreement(floats(WRIGHT), floats(MINI))
    assert found["bias"].value == pytest.approx(-2.1, abs=0.05)
    deviation = (found["upper"].value - found["lower"].value) / (2 * 1.96)
    assert deviation == pytest.approx(38.8, abs=0.05)
    assert found["pearson"].value == pytest.approx(0.943, abs=0.0005)


def test_kappa_of_cohen_1968() -> None:
    counts, weights = np.asarray(COHEN), np.asarray(COHEN_WEIGHTS, np.float64)
    assert float(weighted_kappa(counts, weights)) == pytest.approx(0.348, abs=0.0005)
    assert float(weighted_kappa(counts, 1 - np.eye(3))) == pytest.approx(0.492, abs=0.0005)


@example([(21.4375, 21.4375)] * 3)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=30))
def test_icc_of_moments_is_that_of_the_table(pairs: list[tuple[float, float]]) -> None:
    table = np.round(np.asarray(pairs), 3)
    expected = icc_2_1(table)
    found = float(icc_of(moments(table[:, 0], table[:, 1]).sum(axis=0)))
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_correlations_are_scipys() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=60).round(1)
    y = (x + rng.normal(size=60)).round(1)
    found = paired_agreement(x, y)
    assert found["pearson"].value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found["spearman"].value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert all(one.low < one.value < one.high and one.n == 60 for one in found.values())


def test_the_interval_is_that_of_drawing_items() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    drawn = [x[rng.integers(0, 80, 80)].mean() for _ in range(4000)]
    found = estimate(
        np.stack([np.ones(80), x], -1), lambda sums: sums[..., 1] / sums[..., 0], "mean"
    )
    assert (found.low, found.high) == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=0.02)


def test_a_bias_lowers_icc_and_leaves_r() -> None:
    x = np.linspace(0, 1, 40)
    found = paired_agreement(x + 0.5, x)
    assert found["pearson"].value == pytest.approx(1)
    assert found["icc"].value < 0.5
    assert found["bias"].value == pytest.approx(0.5)


def test_too_few_or_constant_items_have_no_correlation() -> None:
    for x in (np.zeros(0), np.ones(2), np.full(9, 0.1)):
        found = paired_agreement(x, x)
        assert np.isnan(found["pearson"].value)
        assert np.isnan(found["spearman"].value)
        assert found["pearson"].n == len(x)


def test_kappa_of_classes_and_dice_of_areas() -> None:
    x, y = np.array([0.0, 0.2, 0.6, 0.05]), np.array([0.0, 0.2, 0.6, 0.05])
    assert kappa(x, y, (0.01, 0.1, 0.5)).value == pytest.approx(1)
    assert dice(np.array([1.0, 2.0]), np.array([2.0, 2.0]), np.array([2.0, 4.0])).value == 0.6


def test_unpaired_values_cannot_agree() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_agreement(np.zeros(3), np.zeros(4))


def test_kappa_of_a_reader_of_one_class_is_none() -> None:
    x, one = np.array([0.0, 0.2, 0.6, 0.05]), np.zeros(4)
    for first, second in ((x, one), (one, x), (one, one)):
        found = kappa(first, second, (0.1, 0.5))
        assert np.isnan([found.value, found.low, found.high]).all()
