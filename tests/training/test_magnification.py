"""Crops at four magnifications, enlarged by bicubic interpolation or by a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from napari_virtual_ihc.errors import CheckpointError, ModelError, UsageError
from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.recipe import Magnification
from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.folder import save_model
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.rrdbnet import Rrdbnet, RrdbnetConfig
from napari_virtual_ihc.training.augment import bicubic
from napari_virtual_ihc.training.data import Pair, PairFolder, Picture
from napari_virtual_ihc.training.magnification import (
    VIEWS,
    SuperResolution,
    draw_view,
    enlarger,
    magnification_notes,
)
from napari_virtual_ihc.training.sampling import Sampler

if TYPE_CHECKING:
    from pathlib import Path

FOUR = Magnification(sampling="four-way")
CPU = torch.device("cpu")
TINY = RrdbnetConfig(width=4, n_blocks=1, growth=2, scale=2)


def places(side: int) -> np.ndarray:
    """A picture whose colours name their place: red is the row, green the column."""
    ramp = np.linspace(0, 255, side).round().astype(np.uint8)
    rows, columns = np.meshgrid(ramp, ramp, indexing="ij")
    return np.stack([rows, columns, np.full_like(rows, 128)], axis=2)


@pytest.fixture
def data(tmp_path: Path) -> PairFolder:
    Image.fromarray(places(128)).save(tmp_path / "place.png")
    picture = Picture(tmp_path / "place.png")
    pair = Pair("place", picture, picture)
    return PairFolder(tmp_path, "pairs", 0.5, "HER2", (pair,), (), (), "")


def sampler(data: PairFolder, *settings: str, seed: int = 0) -> Sampler:
    basis = ["crop_size=32", "batch_size=1", "augmentation.flip=false", "augmentation.turn=false"]
    recipe = Asp.presets["smoke"].with_settings([*basis, *settings])
    return Sampler(data, recipe, seed, 400)


def extent(image: torch.Tensor) -> float:
    """How many pixels of the picture a crop of `places` spans, from its colours."""
    values = (image[0] + 1) * 127.5
    rows = values.mean(dim=1)
    return float(rows[-2] - rows[1]) / 29 * 31 / 255 * 127 + 1


def test_each_magnification_comes_a_quarter_of_the_time(data: PairFolder) -> None:
    four = sampler(data, "magnification.sampling=four-way")
    spans = np.array([extent(four.batch(step).he[0]) for step in range(400)])
    nearest = np.abs(spans[:, None] - [8, 16, 32, 128]).argmin(axis=1)
    shares = np.bincount(nearest, minlength=4) / 400
    assert np.abs(shares - 0.25).max() < 0.08
    assert np.abs(spans[:, None] - [8, 16, 32, 128]).min(axis=1).max() < 3


def test_h_and_e_and_ihc_share_their_window_and_scale(data: PairFolder) -> None:
    four = sampler(
        data,
        "magnification.sampling=four-way",
        "augmentation.flip=true",
        "augmentation.turn=true",
        "augmentation.scale=0.2",
    )
    for step in range(40):
        batch = four.batch(step)
        assert batch.he.shape == (1, 3, 32, 32)
        assert torch.equal(batch.he, batch.ihc)


def test_a_batch_follows_from_seed_and_step(data: PairFolder) -> None:
    settings = ["magnification.sampling=four-way", "batch_size=3"]
    first, again = sampler(data, *settings), sampler(data, *settings)
    for step in (0, 7, 300):
        assert torch.equal(first.batch(step).he, again.batch(step).he)
    other = sampler(data, *settings, seed=1)
    assert not torch.equal(first.batch(7).he, other.batch(7).he)


def test_native_sampling_draws_nothing_more() -> None:
    rng, untouched = np.random.default_rng(3), np.random.default_rng(3)
    assert draw_view(Magnification(), rng) == VIEWS[0]
    assert rng.bit_generator.state == untouched.bit_generator.state


def test_chances_are_those_of_the_recipe() -> None:
    only = Magnification(sampling="four-way", probabilities=(0, 0, 0, 1))
    rng = np.random.default_rng(0)
    assert {draw_view(only, rng) for _ in range(20)} == {VIEWS[3]}
    assert [view.side((100, 80, 3), 32) for view in VIEWS] == [32, 80, 16, 8]
    with pytest.raises(UsageError, match=r"magnification\.probabilities"):
        Asp.presets["paper"].with_settings(["magnification.probabilities=[0.5,0.5,0.5,0.5]"])


def test_only_enlarged_crops_go_through_the_enlarger(data: PairFolder) -> None:
    seen: list[int] = []

    def enlarge(square: np.ndarray, side: int) -> np.ndarray:
        seen.append(len(square))
        return bicubic(square, side)

    four = sampler(data, "magnification.sampling=four-way")
    watched = Sampler(four.data, four.recipe, four.seed, four.steps, enlarge)
    for step in range(40):
        assert torch.equal(watched.batch(step).he, four.batch(step).he)
    assert set(seen) == {8, 16}


def network(config: RrdbnetConfig = TINY) -> Rrdbnet:
    """A network whose output is its input, nearest neighbours repeated."""
    made = Rrdbnet(config)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        for conv in (made.conv_first, made.upconv1, made.upconv2, made.HRconv, made.conv_last):
            if conv is not None:
                conv.weight[range(3), range(3), 1, 1] = 1
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_network_enlarges_as_often_as_it_takes(scale: int) -> None:
    config = RrdbnetConfig(width=4, n_blocks=1, growth=2, scale=scale)  # type: ignore[arg-type]
    enlarge = SuperResolution(network(config), CPU)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    repeated = ndimage.zoom(picture, (4, 4, 1), order=0, grid_mode=True, mode="nearest")
    np.testing.assert_array_equal(enlarge(picture, 32), repeated)
    assert enlarge(picture, 16).shape == (16, 16, 3)
    assert enlarge(picture, 27).shape == (27, 27, 3)


def test_the_network_comes_from_a_folder_or_a_published_file(tmp_path: Path) -> None:
    made = network()
    torch.save(made.state_dict(), tmp_path / "BSRGANx2.pth")
    card = {"name": "sr", "kind": "auxiliary", "architecture": "rrdbnet", "tiling": "blended"}
    facts = card | {"arguments": describe(TINY), "mpp_in": 0.5, "mpp_out": 0.25}
    folder = save_model(tmp_path / "sr", ModelCard.model_validate(facts), made.state_dict())
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    expected = SuperResolution(made, CPU)(picture, 16)
    for path in (folder, tmp_path / "BSRGANx2.pth"):
        settings = Magnification(sampling="four-way", enlarger=path)
        np.testing.assert_array_equal(enlarger(settings, CPU)(picture, 16), expected)
        (note,) = magnification_notes(settings)
        assert "SHA-256" in note
        assert str(tmp_path) not in note


def test_what_enlarges_is_said() -> None:
    assert enlarger(FOUR, CPU) is bicubic
    (note,) = magnification_notes(FOUR)
    assert "by bicubic interpolation, not by the paper's super-resolution network" in note
    assert magnification_notes(Magnification()) == ()


def test_files_that_are_no_such_network_are_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("unpickled",)

    torch.save({"conv_first.weight": Trap()}, tmp_path / "trap.pth")
    torch.save({"model.1.weight": torch.zeros(2, 2, 3, 3)}, tmp_path / "other.pth")
    part = network().state_dict()
    del part["conv_last.bias"]
    torch.save(part, tmp_path / "part.pth")
    for name, kind, said in [
        ("trap.pth", CheckpointError, "could run code"),
        ("other.pth", CheckpointError, "no super-resolution network"),
        ("part.pth", ModelError, r"missing conv_last\.bias"),
        ("absent.pth", CheckpointError, "not a file"),
    ]:
        settings = Magnification(sampling="four-way", enlarger=tmp_path / name)
        with pytest.raises(kind, match=said):
            enlarger(settings, CPU)
