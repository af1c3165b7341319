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
from napari_virtual_ihc.training.data import PairFolder, load_picture
from napari_virtual_ihc.training.sampling import Sampler, to_rgb, to_tensor
from napari_virtual_ihc.training.world import Place

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
    epochs = ["n_epochs=3", "n_epochs_decay=1"]
    recipe = Asp.presets["smoke"].with_settings(["crop_size=32", *epochs, *settings])
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


def names(sampler: Sampler, steps: range) -> list[str]:
    batches = [sampler.batch(step) for step in steps]
    return [name.rsplit("/", 1)[1] for batch in batches for name in batch.names[::2]]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_shuffled_sampling_shows_every_pair_once_then_again(data: PairFolder, batch: int) -> None:
    shuffled = sampler(data, "sampling=shuffled", f"batch_size={batch}")
    seen = names(shuffled, range(24 // batch))
    pairs = sorted(pair.he.path.name for pair in data.train)
    rounds = [seen[start : start + 4] for start in range(0, 24, 4)]
    assert all(sorted(one) == pairs for one in rounds)
    assert len({tuple(one) for one in rounds}) > 2
    assert seen == names(sampler(data, "sampling=shuffled", "batch_size=1"), range(24))


def test_processes_share_a_shuffled_round(data: PairFolder) -> None:
    recipe = Asp.presets["smoke"].with_settings(
        ["crop_size=32", "batch_size=2", "sampling=shuffled"]
    )
    ranks = [Sampler(data, recipe, 0, 100, place=Place(rank, 2)) for rank in range(2)]
    seen = [[names(one, range(step, step + 1)) for one in ranks] for step in range(6)]
    pairs = sorted(pair.he.path.name for pair in data.train)
    assert [sorted(first + second) for first, second in seen] == [pairs] * 6


def test_shuffled_he_meets_any_ihc_where_pairs_are_not_aligned(data: PairFolder) -> None:
    loose = sampler(data, "sampling=shuffled", "aligned=false", "batch_size=1")
    assert sorted(names(loose, range(4))) == sorted(p.he.path.name for p in data.train)
    both = [tuple(name.rsplit("/", 1)[1] for name in loose.batch(step).names) for step in range(16)]
    assert any(he != ihc for he, ihc in both)


def test_replacement_draws_some_pairs_twice(data: PairFolder) -> None:
    seen = names(sampler(data, "batch_size=1"), range(24))
    rounds = [sorted(seen[start : start + 4]) for start in range(0, 24, 4)]
    assert any(len(set(one)) < 4 for one in rounds)


def test_pictures_shrink_to_the_crop_while_the_rate_falls(data: PairFolder) -> None:
    settings = ["load_size=48", "n_epochs=3", "n_epochs_decay=1", "batch_size=1"]
    still = ["augmentation.flip=false", "augmentation.turn=false", "augmentation.scale=0"]
    falling = sampler(data, *settings, *still, "decay_at_crop_size=true")
    whole = {pair.ihc.path.as_posix(): to_tensor(load_picture(pair.ihc, 32)) for pair in data.train}
    for step, shrunk in ((74, False), (75, True), (99, True)):
        batch = falling.batch(step)
        assert torch.equal(batch.ihc[0], whole[batch.names[1]]) == shrunk
    recipe = falling.recipe
    assert [recipe.load_size_at(epoch) for epoch in (1, 3, 4)] == [48, 48, 32]
    assert recipe.final_load_size == 32
    assert recipe.with_settings(["decay_at_crop_size=false"]).final_load_size == 48
    assert recipe.with_settings(["load_size=null"]).final_load_size is None


def test_jitter_changes_the_he_alone_and_again_by_step(data: PairFolder) -> None:
    still = ["augmentation.flip=false", "augmentation.turn=false", "augmentation.stain=0"]
    jitter = ["augmentation.brightness=0.3", "augmentation.saturation=0.2"]
    plain, changed = sampler(data, *still), sampler(data, *still, *jitter)
    for step in range(3):
        first, second = plain.batch(step), changed.batch(step)
        assert torch.equal(second.he, changed.batch(step).he)
        assert torch.equal(first.ihc, second.ihc)
        assert not torch.equal(first.he, second.he)


def test_nothing_drawn_is_nothing_changed() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(20, 240, (16, 16, 3), dtype=np.uint8)
    look = draw_appearance(PLAIN, rng)
    np.testing.assert_allclose(restain(rgb, look, rng), rgb, atol=0.01)


@given(
    st.integers(0, 2**31), st.integers(32, 80), st.integers(32, 80), st.sampled_from([8, 16, 32])
)
def test_crops_always_fit(seed: int, height: int, width: int, crop: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    geometry = draw_geometry(picture.shape, crop, ALL, rng)
    assert geometry.y + geometry.side <= height
    assert geometry.x + geometry.side <= width
    assert cut(picture, geometry, crop).shape == (crop, crop, 3)
    seen = restain(cut(picture, geometry, crop), draw_appearance(ALL, rng), rng)
    assert np.isfinite(seen).all()
    assert seen.min() >= 0
    assert seen.max() <= 255


@given(st.integers(0, 2**31), st.booleans(), st.booleans())
def test_a_crop_holds_each_pixel_of_its_square_once(seed: int, flip: bool, turn: bool) -> None:
    """Pixels carry their place: turned and mirrored, they are still those of one square."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:50, :60]
    picture = np.stack([rows, columns, rows + columns], axis=2).astype(np.uint8)
    geometry = draw_geometry(picture.shape, 24, Augmentation(flip=flip, turn=turn), rng)
    crop = cut(picture, geometry, 24)
    places = {(int(y), int(x)) for y, x in crop[..., :2].reshape(-1, 2)}
    y, x = geometry.y, geometry.x
    assert places == {(r, c) for r in range(y, y + 24) for c in range(x, x + 24)}
    again = cut(picture, geometry, 24)
    np.testing.assert_array_equal(crop, again)
    if not (flip or turn):
        np.testing.assert_array_equal(crop, picture[y : y + 24, x : x + 24])


def test_every_corner_and_turn_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_geometry((36, 34), 32, Augmentation(turn=True), rng) for _ in range(600)]
    assert {g.y for g in drawn} == set(range(5))
    assert {g.x for g in drawn} == set(range(3))
    assert {(g.mirrored, g.turns) for g in drawn} == {(m, t) for m in (0, 1) for t in range(4)}


def test_colours_are_truncated_as_the_references_do() -> None:
    image = torch.tensor([-1.0, 0.998, 1.0, 1.5]).reshape(1, 1, 4).expand(3, 1, 4)
    assert to_rgb(image)[0, :, 0].tolist() == [0, 254, 255, 255]
    rgb = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    assert np.abs(to_rgb(to_tensor(rgb)).astype(int) - rgb).max() <= 1
