from __future__ import annotations

import numpy as np
import pytest

from napari_virtual_ihc.measures.difference import GreyDifference
from napari_virtual_ihc.measures.seam import SeamFigure


def test_psnr_is_that_of_the_mean_squared_difference() -> None:
    figure = GreyDifference()
    assert np.isnan(figure.psnr)
    figure.update(np.full((4, 4), 10, np.uint8), np.full((4, 4), 10, np.uint8))
    assert figure.psnr == float("inf")
    figure.update(np.full((4, 4), 10, np.uint8), np.full((4, 4), 30, np.uint8))
    assert figure.psnr == pytest.approx(10 * np.log10(255**2 / 200))


def test_seam_of_noise_is_one_and_of_steps_is_more() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(256, 256, 3))
    plain = SeamFigure(32)
    plain.update(noise)
    assert plain.compute() == pytest.approx(1.0, abs=0.02)
    stepped = SeamFigure(32)
    offsets = np.kron(rng.normal(scale=10, size=(8, 8)), np.ones((32, 32)))
    stepped.update(noise + offsets[..., None])
    assert stepped.compute() > 5


def test_seam_merges() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 64, 64))
    whole, first, second = (SeamFigure(16) for _ in range(3))
    whole.update(a)
    whole.update(b)
    first.update(a)
    second.update(b)
    first.merge(second)
    assert first.compute() == pytest.approx(whole.compute())


def test_seam_of_nothing_is_nan() -> None:
    assert np.isnan(SeamFigure(512).compute())


def test_grey_difference_is_exact() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    figure = GreyDifference()
    figure.update(a[:20], b[:20])
    rest = GreyDifference()
    rest.update(a[20:], b[20:])
    figure.merge(rest)
    levels = np.abs(a.astype(int) - b.astype(int))
    assert figure.mean == pytest.approx(levels.mean())
    assert figure.largest == levels.max()
    assert figure.share_within(3) == (levels <= 3).mean()
    assert figure.compute()["within_1"] == (levels <= 1).mean()


def test_grey_difference_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="differ"):
        GreyDifference().update(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
