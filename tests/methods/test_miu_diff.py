"""MIU-Diff's two trainings: what they learn, and what the sampler gets from them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.losses.mutual_information import donsker_varadhan
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.miu_diff import MiuDiff, score_of
from napari_virtual_ihc.methods.miu_diff_estimator import MiuDiffEstimator, convergence_problem
from napari_virtual_ihc.methods.recipe import read_recipe
from napari_virtual_ihc.sampling.chain import Chain
from napari_virtual_ihc.sampling.information import InformationGuide
from napari_virtual_ihc.sampling.noise import START, NoiseField
from napari_virtual_ihc.sampling.recipe import SamplerRecipe
from napari_virtual_ihc.sampling.refinement import Refinement
from napari_virtual_ihc.sampling.structure import rolled_views, structure_map

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

pytest.importorskip("diffusers")


class Plain:
    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        optimiser.step()


def spots(seed: int, count: int = 4, size: int = 32) -> Tensor:
    """Brown spots on pale ground."""
    source = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    pictures = torch.full((count, 3, size, size), 0.7)
    brown = torch.tensor([-0.1, -0.5, -0.8]).view(3, 1)
    for picture in pictures:
        for y, x in torch.randint(size, (4, 2), generator=source).tolist():
            picture[:, (rows - y) ** 2 + (columns - x) ** 2 < 25] = brown
    return pictures


def batch(seed: int = 0, count: int = 4) -> Batch:
    pictures = spots(seed, count)
    source = torch.Generator().manual_seed(seed)
    return Batch(-pictures, pictures, ("a",) * count, 0, 1, source)


def score(*settings: str) -> MiuDiff:
    return MiuDiff.build(MiuDiff.presets["smoke"].with_settings(["crop_size=32", *settings]), 0)


def estimator(*settings: str) -> MiuDiffEstimator:
    small = ["crop_size=32", "widths=[8,16]", "lr=0.003", *settings]
    preset = MiuDiffEstimator.presets["smoke"]
    return MiuDiffEstimator.build(preset.with_settings(small), 0)


def test_the_score_network_learns_to_tell_noise_at_every_level() -> None:
    method = score()
    with torch.no_grad():
        before = method.examine(method.generator(), batch(99))
    losses = [method.training_step(batch(seed), Plain())["noise"].item() for seed in range(80)]
    with torch.no_grad():
        after = method.examine(method.generator(), batch(99))
    assert set(after) == set(method.protocols)
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])
    assert all(after[name] < before[name] for name in after)
    levels = [value for name, value in after.items() if name != "noise_error"]
    assert after["noise_error"] == pytest.approx(sum(levels) / 6)


def test_only_ihc_is_looked_at() -> None:
    for method in (score(), estimator()):
        again = type(method).build(method.recipe, 0)
        plain, other = batch(1), batch(1)
        changed = Batch(other.he * 0, other.ihc, other.names, 0, 1, other.generator)
        losses = method.training_step(plain, Plain()), again.training_step(changed, Plain())
        assert losses[0] == losses[1]


def test_a_pictures_draws_do_not_depend_on_who_shares_the_batch() -> None:
    method, whole = score(), batch(3)
    source = torch.Generator().manual_seed(3)
    part = Batch(whole.he[2:], whole.ihc[2:], ("a",) * 2, 0, 1, source, first=2, whole=4)
    losses = []
    for one in (whole, part):
        caught = []
        method.schedule = _Noted(method.recipe.schedule, caught)
        method.training_step(one, _Still())
        losses.append(caught[0])
    torch.testing.assert_close(losses[0][2:], losses[1])


class _Still(Plain):
    def step(self, optimiser: Optimizer) -> None:
        pass


class _Noted:
    def __init__(self, schedule: object, caught: list[Tensor]) -> None:
        self._schedule, self._caught = schedule, caught

    def noised(self, clean: Tensor, noise: Tensor, index: Tensor) -> Tensor:
        found = self._schedule.noised(clean, noise, index)
        self._caught.append(found)
        return found


def test_the_estimator_tells_true_pairs_from_shuffled_ones() -> None:
    method = estimator()
    with torch.no_grad():
        before = method.examine(method.generator(), batch(99))
    assert convergence_problem(before) is not None
    for seed in range(150):
        method.training_step(batch(seed), Plain())
    with torch.no_grad():
        after = method.examine(method.generator(), batch(99))
        alone = method.examine(method.generator(), batch(99, count=1))
    assert set(after) == set(method.protocols)
    assert after["mutual_information"] > before["mutual_information"] + 0.05
    assert after["mutual_information"] > after["shuffled_information"] + 0.05
    assert convergence_problem(after) is None
    assert all(math.isfinite(value) for value in alone.values())
    assert "never examined" in str(convergence_problem({}))


@pytest.mark.parametrize("setting", ["bound=nwj", "correction_rate=1", "noised=false"])
@pytest.mark.parametrize("proxy", ["edges", "smoothed"])
def test_every_way_of_estimating_trains(setting: str, proxy: str) -> None:
    method = estimator(setting, f"structure={proxy}")
    for seed in range(2):
        losses = method.training_step(batch(seed), Plain())
    assert losses["information"].isfinite()
    assert ("log_average" in method.memory) == (method.recipe.bound == "donsker_varadhan")
    assert method.config.timed == method.recipe.noised


def test_pictures_show_rows_of_what_is_done() -> None:
    for method in (score(), estimator()):
        with torch.no_grad():
            shown = method.picture(method.generator().eval(), batch(5))
        assert shown.shape == (3, 3 * 32, 4 * 32)
        assert shown.abs().max() <= 1


def test_both_serve_a_guided_chain_that_any_batch_leaves_the_same() -> None:
    """Two sources together, and one of them alone, along the whole of MIU-Diff's sampler."""
    trained, helper = score(), estimator()
    network, statistics = (m.generator().eval().requires_grad_(False) for m in (trained, helper))
    recipe = SamplerRecipe(start=60, steps=12, t0_refine=20, refine_patches=16, marginal_views=3)
    field, sources = NoiseField.of(0, "slide", 1.0), spots(7, count=2)

    def run(chosen: Tensor) -> Tensor:
        noise = field.draw(0, 0, 0, 32, 32, stream=START).expand_as(chosen)
        maps = structure_map(chosen, recipe.structure)
        views = rolled_views(maps, recipe.marginal_views, torch.Generator().manual_seed(1))
        guide = InformationGuide(recipe, recipe.schedule, statistics, donsker_varadhan, maps, views)
        refinement = Refinement(
            recipe,
            recipe.schedule,
            lambda y, index: network.features(y, torch.full((len(y),), index)),
            chosen,
            noise,
            torch.Generator().manual_seed(2),
        )
        chain = Chain(
            recipe,
            score_of(network),
            lambda index: field.draw(index, 0, 0, 32, 32).expand_as(chosen),
            guide,
            refinement,
        )
        return chain.sample(recipe.schedule.noised(chosen, noise, recipe.start - 1))

    both, alone = run(sources), run(sources[:1])
    assert both.isfinite().all()
    torch.testing.assert_close(both[:1], alone, rtol=1e-3, atol=1e-3)
    unguided = recipe.model_copy(update={"guidance_scale": 0.0, "refinement": "off"})
    recipe = unguided
    assert (run(sources) - both).abs().mean() > 1e-3


@pytest.mark.parametrize(
    ("kind", "setting", "said"),
    [
        (MiuDiff, {"crop_size": 80}, "32 divides"),
        (MiuDiff, {"beta_last": 1e-5}, "last β"),
        (MiuDiffEstimator, {"batch_size": 1}, "batch_size"),
        (MiuDiffEstimator, {"train_steps": 200}, "beyond the schedule"),
    ],
)
def test_wrong_settings_are_one_sentence(kind, setting: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_recipe(kind.recipe_type, setting)
