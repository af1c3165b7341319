"""A diffusion on a slide: bytes that depend on the place alone, previews, cancelling, bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from translation_scenes import slide_of, tissue

from napari_virtual_ihc.errors import Cancelled, ModelError, UsageError
from napari_virtual_ihc.models.card import ColourStatistics, ModelCard
from napari_virtual_ihc.models.folder import Model, load_model, save_model
from napari_virtual_ihc.networks.miu_diff import MiuDiffConfig, MiuDiffNetworks
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.score_unet import SIZES
from napari_virtual_ihc.networks.statistics_network import StatisticsConfig
from napari_virtual_ihc.sampling.recipe import SamplerRecipe
from napari_virtual_ihc.stains.lab import to_lab
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.tiles.work import Job, Stop, make
from napari_virtual_ihc.translation import plan
from napari_virtual_ihc.translation.backends.window_chains import WindowChains
from napari_virtual_ihc.translation.sampling import Sampling
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.slides.slide import Slide

pytest.importorskip("diffusers")

FAST = SamplerRecipe(start=100, steps=4, sampler="dpm", spacing="quadratic", t0_refine=40)
IHC = ColourStatistics(
    stains=("L*", "a*", "b*"), mean=(75.0, 3.0, 2.0), std=(12.0, 4.0, 5.0), vectors="CIELAB"
)


def diffusion_model(folder: Path, **facts: Any) -> Model:
    """Untrained networks, whose samples are small changes of their start."""
    config = MiuDiffConfig(SIZES["tiny"], StatisticsConfig((8, 8, 8)))
    torch.manual_seed(0)
    state = MiuDiffNetworks(config).state_dict()
    card = {
        "name": "small", "kind": "diffusion", "architecture": "miu-diff",
        "arguments": describe(config), "marker": "HER2", "mpp_in": 0.5, "mpp_out": 0.5,
        "tiling": "blended", "default_statistics": "none", "output_lab": IHC,
        "sampler": FAST.model_dump(),
    }  # fmt: skip
    save_model(folder, ModelCard.model_validate(card | facts), state)
    return load_model(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return diffusion_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def slide() -> Slide:
    return slide_of(tissue(200, 300))


def translator(model: Model, slide: Slide, **words: Any) -> Translator:
    words = {"tile": 96, "precision": "fp32"} | words
    return Translator(model, slide, device="cpu", **words)


def made(translator: Translator, *places: tuple[int, int]) -> dict[TileAddress, Any]:
    tiles = [TileAddress(0, *place) for place in places]
    return dict(translator.produce(tiles, preview=_unseen, cancelled=lambda: False))


def gap(first: Any, second: Any) -> float:
    return float(np.abs(first[..., :3] - np.float32(second[..., :3])).mean())


def _unseen(address: TileAddress, tile: object) -> None:
    del address, tile


def test_a_tile_has_the_same_bytes_in_any_order_and_after_a_restart(
    model: Model, slide: Slide
) -> None:
    first = made(translator(model, slide), (0, 1), (0, 2), (1, 2))
    again = made(translator(model, slide), (1, 2), (0, 2))
    for address, tile in again.items():
        np.testing.assert_array_equal(tile, first[address])
    assert first[TileAddress(0, 0, 2)][..., :3].std() > 5


def test_seed_and_steps_change_bytes_and_key(model: Model, slide: Slide) -> None:
    samplings = (Sampling(), Sampling(seed=1), Sampling(steps=3), Sampling("unguided", steps=3))
    several = [translator(model, slide, sampling=chosen) for chosen in samplings]
    assert len({one.key for one in several}) == len(several)
    tiles = [made(one, (0, 2))[TileAddress(0, 0, 2)].tobytes() for one in several]
    assert len(set(tiles)) == len(tiles)


def test_noise_is_one_field_over_the_slide(model: Model, slide: Slide) -> None:
    """With nothing learned to differ, tiles of two sizes agree but near their borders."""
    whole = made(translator(model, slide, tile=192), (0, 1))[TileAddress(0, 0, 1)]
    parts = made(translator(model, slide, tile=96), (0, 2), (1, 2))
    joined = np.concatenate([parts[TileAddress(0, row, 2)] for row in (0, 1)])
    beside = made(translator(model, slide, tile=96, sampling=Sampling(seed=1)), (0, 2))
    alike = gap(whole[:96, :96], joined[:96])
    assert alike < 0.7 * gap(beside[TileAddress(0, 0, 2)], joined[:96])


def test_hue_can_be_left_to_the_chain(tmp_path: Path, slide: Slide) -> None:
    """A chain of one short step returns what it starts from: lightness alone, in one hue."""
    fields = {"start": 1, "steps": 1, "refinement": "off", "guidance": "off", "sampler": "ddim"}
    tiles = {}
    for colour in ("luminance", "reinhard"):
        model = diffusion_model(tmp_path / colour, sampler=fields | {"colour": colour})
        tiles[colour] = made(translator(model, slide), (0, 2))[TileAddress(0, 0, 2)][..., :3]
    hues = {colour: to_lab(tile)[..., 1:].std() for colour, tile in tiles.items()}
    assert hues["luminance"] < 0.7 * hues["reinhard"]
    light = [to_lab(tile)[..., 0].std() for tile in tiles.values()]
    assert light[0] == pytest.approx(light[1], rel=0.1)


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample 2 × 2 tiles at once, as on a GPU."""
    monkeypatch.setitem(plan._SAMPLED_GROUPS, "cpu", 2)


BLOCK = [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.usefixtures("batched")
def test_the_tiles_of_a_batch_are_those_made_alone(
    model: Model, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(translator(model, slide), (1, 1))
    assert set(whole) == {TileAddress(0, *place) for place in BLOCK}
    monkeypatch.setitem(plan._SAMPLED_GROUPS, "cpu", 1)
    for address, tile in made(translator(model, slide), *BLOCK).items():
        assert np.abs(tile.astype(int) - whole[address]).max() <= 1


@pytest.mark.usefixtures("batched")
def test_a_batch_that_memory_does_not_hold_is_sampled_one_by_one(
    model: Model, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = made(translator(model, slide), (0, 0))
    true: Callable[..., torch.Tensor] = WindowChains._score

    def narrow(self: WindowChains, y: torch.Tensor, index: int) -> torch.Tensor:
        if len(y) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return true(self, y, index)

    monkeypatch.setattr(WindowChains, "_score", narrow)
    told: list[str] = []
    one = translator(model, slide, notify=told.append)
    for address, tile in made(one, (0, 0)).items():
        assert np.abs(tile.astype(int) - expected[address]).max() <= 1
    assert "one by one" in told[0]
    assert not one.persist


def test_previews_show_the_tile_as_it_becomes(model: Model, slide: Slide) -> None:
    seen: list[tuple[TileAddress, Any]] = []
    one = translator(model, slide, sampling=Sampling(steps=12))
    place = TileAddress(0, 0, 2)
    tiles = one.produce([place], preview=lambda *what: seen.append(what), cancelled=lambda: False)
    assert len(seen) >= 4
    assert {address for address, _ in seen} == {place}
    assert all(tile.shape == tiles[place].shape for _, tile in seen)
    gaps = [gap(tile, tiles[place]) for _, tile in seen]
    assert gaps[-1] < gaps[0]


def test_cancelling_stops_within_one_step(
    model: Model, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    true: Callable[..., torch.Tensor] = WindowChains._score

    def counted(self: WindowChains, y: torch.Tensor, index: int) -> torch.Tensor:
        asked.append(index)
        return true(self, y, index)

    monkeypatch.setattr(WindowChains, "_score", counted)
    one = translator(model, slide)
    one.prepare()
    with pytest.raises(Cancelled):
        one.compute(one.load([TileAddress(0, 0, 2)]), lambda: len(asked) >= 2)
    assert len(asked) == 2


def test_a_chain_that_stops_being_numbers_costs_its_tile_alone(
    model: Model, slide: Slide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WindowChains, "_score", lambda self, y, index: y * float("nan"))
    place = TileAddress(0, 0, 2)
    results = make(Job(translator(model, slide), ((place,),), False), _unseen, Stop(lambda: False))
    failure = results[place]
    assert isinstance(failure, TileFailure)
    assert "not a number" in failure.reason


@pytest.mark.parametrize(
    ("fields", "sampling", "told"),
    [
        ({"output_lab": "unknown"}, Sampling(), "output_lab"),
        ({"sampler": "unknown"}, Sampling(), "sampler"),
        ({"sampler": {"steps": 0}}, Sampling(), "steps"),
        ({}, Sampling("fast"), "'fast'"),
        ({}, Sampling(steps=101), "steps"),
        ({"recipe": {"fields": {"learned_below": 50}}}, Sampling(), "start"),
        ({"mpp_out": 1.0}, Sampling(), "mpp_out"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, slide: Slide, fields: dict[str, Any], sampling: Sampling, told: str
) -> None:
    model = diffusion_model(tmp_path / "small", **fields)
    with pytest.raises((UsageError, ModelError)) as caught:
        translator(model, slide, sampling=sampling)
    assert told in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_seed_that_no_noise_has_is_refused(model: Model) -> None:
    for seed in (-1, 2**63):
        with pytest.raises(UsageError, match="seed"):
            Sampling(seed=seed).recipe(model.card)


def test_provenance_names_sampler_and_seed(model: Model, slide: Slide) -> None:
    named = translator(model, slide, sampling=Sampling(steps=3, seed=7)).provenance()["settings"]
    assert named["sampler"]["chosen"] == {"name": "model", "steps": 3, "seed": 7}
    assert named["sampler"]["recipe"]["steps"] == 3
