from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_virtual_ihc.measures.fineness import REACH, fineness, gradient_energies
from napari_virtual_ihc.models.card import UNKNOWN, TextureStatistics
from napari_virtual_ihc.training.texture import texture_of


def textured(sigma: float, side: int = 400, seed: int = 0) -> np.ndarray:
    """Violet nuclei-like noise, blurred by a Gaussian of ``sigma`` px."""
    noise = np.random.default_rng(seed).standard_normal((side, side))
    smooth = ndimage.gaussian_filter(noise, sigma)
    od = np.clip(0.3 + 0.15 * smooth / smooth.std(), 0, 1.5)[..., None] * (0.65, 0.7, 0.3)
    return (242 * 10.0**-od).astype(np.uint8)


def of(rgb: np.ndarray) -> float:
    return float(fineness(*(energy.sum() for energy in gradient_energies(rgb))))


def test_blur_and_a_wrong_scale_lower_it_and_colours_do_not() -> None:
    sharp = textured(1.2)
    assert of(sharp) > of(textured(2.4)) + 0.2 > of(textured(4.8)) + 0.3
    assert of(sharp) > of(sharp.repeat(2, axis=0).repeat(2, axis=1)) + 0.3
    paler = (sharp * 0.8 + 40).astype(np.uint8)
    assert of(paler) == pytest.approx(of(sharp), abs=0.02)


def test_a_window_has_its_energies_wherever_it_is_read() -> None:
    rgb = textured(1.5)
    whole, part = gradient_energies(rgb), gradient_energies(rgb[50:200, 90:310])
    for all_, some in zip(whole, part, strict=True):
        assert some.shape == (150 - 2 * REACH, 220 - 2 * REACH)
        np.testing.assert_array_equal(all_[50 : 50 + some.shape[0], 90 : 90 + some.shape[1]], some)
    assert of(np.full((40, 40, 3), 200, np.uint8)) == 0


def test_the_texture_of_a_training_set_is_that_of_its_windows() -> None:
    found = texture_of([textured(1.2, seed=seed) for seed in range(2)], 0.5)
    assert isinstance(found, TextureStatistics)
    assert found.windows == 8
    assert found.mean == pytest.approx(of(textured(1.2)), abs=0.05)
    assert 0.009 < found.std < 0.1
    assert texture_of([textured(1.2)], 0.5) == UNKNOWN
    assert texture_of([np.full((400, 400, 3), 242, np.uint8)] * 4, 0.5) == UNKNOWN
