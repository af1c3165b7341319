from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_ihc.measures.correlation import Pearson
from napari_virtual_ihc.measures.dab_agreement import DabAgreement, square_means


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_r_equals_numpys_and_lies_in_its_interval(rng: np.random.Generator) -> None:
    x = rng.normal(size=200)
    y = 0.6 * x + rng.normal(size=200)
    pearson = Pearson()
    pearson.update(x[:50], y[:50])
    rest = Pearson()
    rest.update(x[50:], y[50:])
    pearson.merge(rest)
    result = pearson.compute()
    assert result.r == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)
    assert result.low < result.r < result.high
    assert result.n == 200


def test_interval_covers_what_theory_says(rng: np.random.Generator) -> None:
    cov = [[1.0, 0.5], [0.5, 1.0]]
    x, y = rng.multivariate_normal([0, 0], cov, size=400).T
    pearson = Pearson()
    pearson.update(x, y)
    result = pearson.compute()
    fisher = 1.96 / np.sqrt(397)
    width = np.tanh(np.arctanh(result.r) + fisher) - np.tanh(np.arctanh(result.r) - fisher)
    assert result.high - result.low == pytest.approx(width, rel=0.25)


def test_a_constant_side_has_no_correlation() -> None:
    pearson = Pearson()
    pearson.update(np.ones(5), np.arange(5))
    assert np.isnan(pearson.compute().r)
    assert np.isnan(Pearson().compute().r)


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        Pearson().update([1, 2], [1])


def test_square_means_leave_out_cut_squares() -> None:
    values = np.arange(30).reshape(5, 6)
    assert square_means(values, 2).shape == (2, 3)
    assert square_means(values, 2)[0, 0] == np.mean([0, 1, 6, 7])


def test_area_is_counted_inside_the_mask_only() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[:, :4] = True
    true = np.zeros((8, 8), dtype=bool)
    true[:4] = True
    virtual = true.copy()
    virtual[:, 4:] = True
    agreement = DabAgreement(mpp=1.0, positivity="test", square_um=4, where="left half")
    agreement.update(virtual, true, mask)
    a, b = agreement.squares()
    assert a.tolist() == b.tolist() == [1.0, 0.0]
    assert agreement.compute().bias == 0.0


def test_bias_and_limits(rng: np.random.Generator) -> None:
    true = rng.random((512, 512)) < 0.3
    virtual = true | (rng.random((512, 512)) < 0.1)
    agreement = DabAgreement(mpp=0.5, positivity="test", square_um=16)
    agreement.update(virtual, true)
    result = agreement.compute()
    assert result.squares == 256
    assert result.bias == pytest.approx(0.07, abs=0.005)
    assert result.lower < result.bias < result.upper
    assert "16 µm square inside tissue" in result.protocol


def test_merging_equals_updating_at_once(rng: np.random.Generator) -> None:
    pictures = [(rng.random((64, 64)) < 0.5, rng.random((64, 64)) < 0.5) for _ in range(2)]
    whole, first, second = (DabAgreement(1.0, "test", square_um=8) for _ in range(3))
    for picture, part in zip(pictures, (first, second), strict=True):
        whole.update(*picture)
        part.update(*picture)
    first.merge(second)
    assert first.compute() == whole.compute()


def test_an_empty_agreement_is_json() -> None:
    content = DabAgreement(1.0, "test").compute().as_dict()
    assert content["bias"] is None
    assert content["correlation"]["r"] is None
