"""How alike two slides are to an encoder: by a toy one, and by a generator's own."""

from __future__ import annotations

import numpy as np
import pytest
from comparison_scenes import slide_of
from scipy import ndimage

from napari_virtual_ihc.comparison.gate import SlidePair, layout_for
from napari_virtual_ihc.comparison.patch_encoder import (
    cosine,
    encoder_layout,
    feature_similarity,
    hematoxylin_alone,
)
from napari_virtual_ihc.comparison.producer import HeatmapProducer
from napari_virtual_ihc.errors import DataError, ModelError
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.models.library import bundled_folder
from napari_virtual_ihc.stains.unmix import compose, unmix
from napari_virtual_ihc.stains.vectors import H_DAB, H_E
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.translation.patch_encoder import GeneratorEncoder


class Toy:
    """Tells patches by their grey at 4 × 4 places."""

    name, key, mpp, side = "a toy", "toy", 1.0, 32

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        self.seen += len(patches)
        grey = patches.astype(np.float32).mean(axis=-1).reshape(-1, 4, 8, 4, 8).mean(axis=(2, 4))
        flat = grey.reshape(-1, 16)
        return flat - flat.mean(axis=1, keepdims=True)


def section(rgb_of: str, hematoxylin: np.ndarray) -> np.ndarray:
    other = np.full_like(hematoxylin, 0.1)
    vectors = H_E if rgb_of == "he" else H_DAB
    return compose(np.stack([hematoxylin, other, np.zeros_like(other)], -1), vectors)


@pytest.fixture(scope="module")
def pair() -> SlidePair:
    """H&E and IHC of the same hematoxylin, the IHC moved by 40 µm below the middle."""
    noise = np.random.default_rng(2).standard_normal((512, 512))
    smooth = np.clip(0.3 + 2 * ndimage.gaussian_filter(noise, 4), 0, 1.5)
    moved = smooth.copy()
    moved[256:] = np.roll(smooth, 40, axis=1)[256:]
    slides = slide_of(section("he", smooth), 1.0), slide_of(section("ihc", moved), 1.0)
    return SlidePair(*slides, "he", encoder_layout(Toy()))


def test_the_same_structure_is_alike_in_other_stains_and_a_moved_one_is_not(
    pair: SlidePair,
) -> None:
    layer = HeatmapProducer(pair, feature_similarity(Toy()), tile=8)
    values = feature_similarity(Toy()).make(pair.view(0, 0, 16, 16))
    assert values[:8].min() > 0.97
    assert abs(values[8:].mean()) < 0.15
    assert (layer.grid.rows, layer.grid.mpp) == (2, 32.0)
    place = TileAddress(0, 1, 1)
    tile = layer.produce([place], preview=print, cancelled=lambda: False)[place]
    assert tile.shape == (8, 8, 4)
    other = Toy()
    other.key = "other"
    assert HeatmapProducer(pair, feature_similarity(other), tile=8).key != layer.key


def test_views_of_another_scale_are_refused(pair: SlidePair) -> None:
    other = SlidePair(pair.fixed, pair.moving, "he", layout_for(pair.fixed, pair.moving))
    with pytest.raises(DataError, match="need patches of 32 px"):
        feature_similarity(Toy()).make(other.view(0, 0, 4, 4))


def test_cosines() -> None:
    first = np.array([[1, 0], [1, 1], [0, 0]], np.float32)
    second = np.array([[0, 2], [3, 3], [1, 0]], np.float32)
    np.testing.assert_allclose(cosine(first, second), [0, 1, 0])


def test_hematoxylin_is_what_is_left_of_a_stain() -> None:
    picture = section("ihc", np.full((4, 4), 0.5))
    np.testing.assert_allclose(
        unmix(hematoxylin_alone(picture, "ihc"), H_E)[..., :2], np.full((4, 4, 2), (0.5, 0.12)),
        atol=0.02,
    )  # fmt: skip


def test_a_generators_encoder_tells_arrangements_apart_and_patches_are_alone() -> None:
    encoder = GeneratorEncoder(load_model(bundled_folder("demo")))
    assert (encoder.mpp, encoder.side) == (0.5, 128)
    noise = np.random.default_rng(3).standard_normal((18, 128, 128))
    smooth = np.clip(0.4 + 3 * ndimage.gaussian_filter(noise, (0, 4, 4)), 0, 1.5)
    patches = np.stack([section("he", one) for one in smooth])
    vectors = encoder(patches)
    np.testing.assert_array_equal(encoder(patches[17:]), vectors[17:])
    paler = encoder(np.stack([section("he", 0.7 * one) for one in smooth]))
    assert cosine(vectors, paler).min() > 0.8
    assert abs(cosine(vectors, np.roll(vectors, 1, axis=0)).mean()) < 0.2


def test_a_model_without_residual_blocks_has_no_encoder() -> None:
    with pytest.raises(ModelError, match="no encoder with residual blocks"):
        GeneratorEncoder(load_model(bundled_folder("demo-miu-diff")))
