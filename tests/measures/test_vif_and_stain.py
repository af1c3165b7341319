from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_virtual_ihc.measures.stain_quantity import (
    HistogramLikeness,
    Iod,
    histogram_likeness,
    iod,
)
from napari_virtual_ihc.measures.vif import Vif, vif
from napari_virtual_ihc.stains.dab_grey import dab_grey_density


def picture(seed: int, side: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(side, side, 3)), (2, 2, 0))
    return np.clip(smooth / smooth.std() * 40 + 130, 0, 255).astype(np.uint8)


def test_vif_is_that_of_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional.image")
    import torch

    real = picture(0)
    rng = np.random.default_rng(1)
    for ours in (real, picture(2), np.clip(real + rng.normal(0, 15, real.shape), 0, 255)):
        ours = ours.astype(np.uint8)
        planes = [
            torch.from_numpy(p @ np.array([0.299, 0.587, 0.114]))[None, None] for p in (ours, real)
        ]
        expected = functional.visual_information_fidelity(*planes, sigma_n_sq=2.0)
        assert vif(ours, real) == pytest.approx(float(expected), rel=1e-4)


def test_vif_knows_sameness_noise_and_contrast() -> None:
    real = picture(0)
    strong = np.clip(130 + 1.5 * (real.astype(float) - 130), 0, 255).astype(np.uint8)
    blurred = gaussian_filter(real, (2, 2, 0))
    assert vif(real, real) == pytest.approx(1, abs=1e-6)
    assert vif(strong, real) > 1
    assert 0 < vif(picture(5), real) < vif(blurred, real) < 1
    assert math.isnan(vif(real, np.full_like(real, 200)))


def test_a_mean_of_vif_leaves_flat_references_out() -> None:
    seen, other = Vif(), Vif()
    seen.update(picture(1), np.full_like(picture(1), 9))
    other.update(picture(1), picture(1))
    seen.merge(other)
    assert (seen.count, seen.compute()) == (1, pytest.approx(1))
    assert math.isnan(Vif().compute())
    with pytest.raises(ValueError, match="41 px"):
        vif(picture(0, 32), picture(0, 32))


def test_dab_alone_is_measured_as_imagej_would() -> None:
    vector = np.array([0.27, 0.57, 0.78])
    light = np.exp(0.15 * math.log(1e-6) * vector)
    brown = np.rint(light * 255).astype(np.uint8)
    grey = np.rint(light @ np.array([0.2125, 0.7154, 0.0721]) * 255)
    assert dab_grey_density(brown) == pytest.approx(math.log10(255 / grey), abs=0.02)
    assert dab_grey_density(np.array([255, 255, 255], np.uint8)) == 0
    assert dab_grey_density(np.array([115, 115, 166], np.uint8)) < 0.1


def stained(share: float) -> np.ndarray:
    rgb = np.full((20, 20, 3), 240, np.uint8)
    rgb[: round(20 * share)] = (120, 80, 50)
    return dab_grey_density(rgb)


def test_iod_grows_with_the_stained_area() -> None:
    assert iod(stained(0.5)) == pytest.approx(2 * iod(stained(0.25)))


def test_iod_figures_compare_generated_with_real() -> None:
    seen, other = Iod(), Iod()
    for share in (0.2, 0.4):
        seen.update(stained(share * 1.5), stained(share))
    other.update(stained(0.9), stained(0.6))
    seen.merge(other)
    found = seen.compute()
    assert found.relative_error == pytest.approx(0.5)
    assert found.r == pytest.approx(1)
    assert found.count == 3
    assert math.isnan(Iod().compute().r)


def test_histograms() -> None:
    a, b = picture(1), np.clip(picture(1).astype(int) + 90, 0, 255).astype(np.uint8)
    for kind, same in (("correlation", 1), ("intersection", 1), ("bhattacharyya", 0)):
        assert histogram_likeness(a, a, kind) == pytest.approx(same, abs=1e-6)
    assert histogram_likeness(a, b) < 0.5
    assert histogram_likeness(a, b, "intersection") < 0.5
    assert histogram_likeness(a, b, "bhattacharyya") > 0.3
    expected = np.mean(
        [
            np.corrcoef(*[np.bincount(p[..., c].ravel(), minlength=256) for p in (a, b)])[0, 1]
            for c in range(3)
        ]
    )
    seen = HistogramLikeness()
    seen.update(a, b)
    assert seen.compute() == pytest.approx(expected)
    assert "Hist/correlation" in seen.protocol
