from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.stains.lab import (
    from_lab,
    lab_statistics,
    reinhard,
    to_lab,
)


def colours(seed: int, count: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centre = rng.integers(80, 180, 3)
    return np.clip(rng.normal(centre, 20, (count, 3)), 0, 255).astype(np.uint8)


def test_lab_is_that_of_scikit_image_and_goes_back() -> None:
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), axis=-1).astype(np.uint8)
    np.testing.assert_allclose(to_lab(every), rgb2lab(every), atol=0.02)
    np.testing.assert_array_equal(from_lab(to_lab(every)), every)


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    pixels = colours(1)
    parts = lab_statistics([pixels[:1000], pixels[1000:].reshape(30, 100, 3)])
    whole = to_lab(pixels)
    np.testing.assert_allclose(parts.mean, whole.mean(axis=0))
    np.testing.assert_allclose(parts.std, whole.std(axis=0))


def test_moved_colours_have_the_statistics_of_the_target() -> None:
    source, target = (lab_statistics([colours(seed)]) for seed in (2, 3))
    moved = lab_statistics([reinhard(colours(2), source, target)])
    np.testing.assert_allclose(moved.mean, target.mean, atol=0.5)
    np.testing.assert_allclose(moved.std, target.std, atol=0.7)


def test_a_part_is_moved_as_the_whole_and_one_colour_without_a_division_by_zero() -> None:
    source, target = (lab_statistics([colours(seed)]) for seed in (2, 3))
    whole = reinhard(colours(2), source, target)
    np.testing.assert_array_equal(reinhard(colours(2)[:7], source, target), whole[:7])
    grey = np.full((5, 3), 128, np.uint8)
    flat = lab_statistics([grey])
    assert np.ptp(reinhard(grey, flat, target), axis=0).max() == 0


def test_no_pixel_has_no_statistics() -> None:
    with pytest.raises(DataError, match="at least one pixel"):
        lab_statistics([])
