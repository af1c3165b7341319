from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.recipe import Augmentation
from napari_virtual_ihc.training.augment import cut, draw_appearance, draw_geometry, restain
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.sampling import Sampler, to_rgb, to_tensor

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = Augmentation(flip=False)
ALL = Augmentation(
    turn=True, scale=0.2, stain=0.3, hue=0.05, light=0.05, blur=1, sharpen=0.5, noise=3
)


@pytest.fixture
def data(pairs: Path) -> PairFolder:
    return PairFolder.open(pairs, mpp=0.5, marker="Ki-67", crop=32)


def sampler(data: PairFolder, *settings: str, seed: int = 0) -> Sampler:
    recipe = Asp.presets["smoke"].with_settings(["crop_size=32", *settings])
    return Sampler(data, recipe, seed, 100)


def test_a_batch_follows_from_seed_and_step(data: PairFolder) -> None:
    whole = sampler(data, "augmentation.stain=0.3", "augmentation.noise=2")
    again = list(whole.batches(97))
    for batch in again:
        direct = whole.batch(batch.step)
        assert torch.equal(batch.he, direct.he)
        assert torch.equal(batch.ihc, direct.ihc)
        assert batch.generator.initial_seed() == direct.generator.initial_seed()
    assert [batch.step for batch in again] == [97, 98, 99]
    other = sampler(data, seed=1).batch(97)
    assert not torch.equal(other.ihc, again[0].ihc)


def test_a_pair_shares_its_geometry(data: PairFolder) -> None:
    same = PairFolder(
        data.root,
        data.layout,
        data.mpp,
        data.marker,
        tuple(type(p)(p.name, p.he, p.he) for p in data.train),
        (),
        (),
        "",
    )
    settings = ["augmentation.turn=true", "augmentation.scale=0.2"]
    for step in range(8):
        batch = sampler(same, *settings).batch(step)
        assert torch.equal(batch.he, batch.ihc)


def test_appearance_changes_the_he_alone(data: PairFolder) -> None:
    changed = sampler(
        data, "augmentation.noise=4", "augmentation.flip=false", "augmentation.turn=false"
    ).batch(5)
    for index in range(len(changed.he)):
        with Image.open(changed.names[2 * index + 1]) as image:
            ihc = to_tensor(np.array(image))
        crops = ihc.unfold(1, 32, 1).unfold(2, 32, 1)
        same = (crops == changed.ihc[index][:, None, None]).flatten(3).all(dim=3).all(dim=0)
        assert same.sum() == 1


def test_unaligned_sampling_mixes_pairs(data: PairFolder) -> None:
    batches = [sampler(data, "aligned=false").batch(step) for step in range(10)]
    stems = [
        [name.rsplit("/", 1)[1] for name in batch.names[i : i + 2]]
        for batch in batches
        for i in range(0, len(batch.names), 2)
    ]
    assert any(he != ihc for he, ihc in stems)
    aligned = sampler(data).batch(0)
    assert aligned.names[0].rsplit("/", 1)[1] == aligned.names[1].rsplit("/", 1)[1]


def test_epochs_follow_progress(data: PairFolder) -> None:
    epochs = [sampler(data).batch(step).epoch for step in (0, 24, 25, 99)]
    assert epochs == [1, 1, 2, 4]


def test_nothing_drawn_is_nothing_changed() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(20, 240, (16, 16, 3), dtype=np.uint8)
    look = draw_appearance(PLAIN, rng)
    np.testing.assert_allclose(restain(rgb, look, rng), rgb, atol=0.01)


@given(st.integers(0, 2**31))
def test_crops_always_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(32, 80, 2))
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    geometry = draw_geometry(picture.shape, 32, ALL, rng)
    assert cut(picture, geometry, 32).shape == (32, 32, 3)
    seen = restain(cut(picture, geometry, 32), draw_appearance(ALL, rng), rng)
    assert np.isfinite(seen).all()
    assert seen.min() >= 0
    assert seen.max() <= 255


def test_colours_are_truncated_as_the_references_do() -> None:
    image = torch.tensor([-1.0, 0.998, 1.0, 1.5]).reshape(1, 1, 4).expand(3, 1, 4)
    assert to_rgb(image)[0, :, 0].tolist() == [0, 254, 255, 255]
    rgb = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    assert np.abs(to_rgb(to_tensor(rgb)).astype(int) - rgb).max() <= 1
