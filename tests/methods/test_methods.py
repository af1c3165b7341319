"""What every method in the registry promises to the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import BatchNorm2d

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.methods.asp import Asp, AspRecipe
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.cut import Cut, CutRecipe
from napari_virtual_ihc.methods.recipe import read_recipe
from napari_virtual_ihc.methods.registry import method_named, methods, preset
from napari_virtual_ihc.networks.registry import build
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.state import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import Tensor
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.base import Method


class Plain:
    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        optimiser.step()


class Still(Plain):
    def step(self, optimiser: Optimizer) -> None:
        pass


class Only(Plain):
    """Lets one optimiser alone change weights."""

    def __init__(self, chosen: Optimizer) -> None:
        self.chosen = chosen

    def step(self, optimiser: Optimizer) -> None:
        if optimiser is self.chosen:
            optimiser.step()


def batch(size: int = 64, count: int = 2, seed: int = 0, epoch: int = 1) -> Batch:
    source = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, size, size, generator=source) * 2 - 1
    return Batch(images[0], images[1], ("a",) * count, 0, epoch, source)


@pytest.fixture(params=sorted(methods()))
def method(request: pytest.FixtureRequest) -> Method:
    kind = methods()[request.param]
    return kind.build(kind.presets["smoke"], seed=1)


def weights(method: Method) -> dict[str, dict[str, Tensor]]:
    return {
        letter: {k: v.detach().clone() for k, v in network.named_parameters()}
        for letter, network in method.networks.items()
    }


def changed(method: Method, before: dict[str, dict[str, Tensor]]) -> set[str]:
    after = weights(method)
    return {
        letter
        for letter, tensors in before.items()
        if any(not torch.equal(tensor, after[letter][key]) for key, tensor in tensors.items())
    }


def held_by(optimisers: Iterable[Optimizer], method: Method) -> set[str]:
    """Letters of the networks whose weights one of the optimisers holds."""
    held = {
        id(parameter)
        for optimiser in optimisers
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    return {
        letter
        for letter, network in method.networks.items()
        if any(id(parameter) in held for parameter in network.parameters())
    }


def test_two_steps_change_the_networks_that_learn_and_name_finite_losses(method: Method) -> None:
    before = weights(method)
    method.training_step(batch(), Plain())
    losses = method.training_step(batch(seed=1), Plain())
    assert changed(method, before) == held_by(method.optimisers.values(), method)
    assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values())
    assert not any(loss.requires_grad for loss in losses.values())


def test_an_optimisers_step_changes_its_own_networks_and_nothing_else(method: Method) -> None:
    for optimiser in method.optimisers.values():
        before = weights(method)
        method.training_step(batch(), Only(optimiser))
        assert changed(method, before) == held_by([optimiser], method)


def test_a_step_depends_on_the_seed_alone(method: Method) -> None:
    again = type(method).build(method.recipe, seed=1)
    first = method.training_step(batch(seed=3), Plain())
    second = again.training_step(batch(seed=3), Plain())
    assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in second.items()}


def state_of(method: Method) -> State:
    return State(method, None, None, torch.device("cpu"))


def test_a_method_goes_on_from_its_checkpoint_bit_for_bit(method: Method, tmp_path: Path) -> None:
    method.training_step(batch(seed=1), Plain())
    checkpoints.save(tmp_path, state_of(method).capture(1, [method.memory]))
    again = type(method).build(method.recipe, seed=2)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    state_of(again).restore(found, 0)
    for seed in (2, 3):
        ours, theirs = (m.training_step(batch(seed=seed), Plain()) for m in (again, method))
        assert {k: v.item() for k, v in ours.items()} == {k: v.item() for k, v in theirs.items()}


def test_the_generator_is_rebuilt_from_its_architecture(method: Method) -> None:
    name, arguments = method.architecture()
    network = build(name, arguments)
    network.load_state_dict(method.generator().state_dict())


def test_every_method_has_the_presets_that_all_have() -> None:
    for kind in methods().values():
        assert {"paper", "smoke"} <= set(kind.presets)
        assert all(isinstance(recipe, kind.recipe_type) for recipe in kind.presets.values())


def test_every_switch_says_what_it_does() -> None:
    for kind in methods().values():
        missing = [n for n, f in kind.recipe_type.model_fields.items() if not f.description]
        assert missing == []


def test_recipes_survive_json() -> None:
    for kind in methods().values():
        for recipe in kind.presets.values():
            assert read_recipe(kind.recipe_type, recipe.model_dump(mode="json")) == recipe


def test_every_row_of_an_ablation_table_changes_the_papers_recipe() -> None:
    for kind in methods().values():
        paper = kind.presets["paper"]
        rows = [paper.with_settings(settings) for settings in kind.ablations.values()]
        assert len({paper.model_dump_json(), *(row.model_dump_json() for row in rows)}) >= len(rows)


def test_settings_reach_into_groups() -> None:
    recipe = AspRecipe().with_settings(
        ["lambda_gp=25", "augmentation.blur=0.5", "asp_scheduler=sigmoid", "nce_layers=[0,4]"]
    )
    assert recipe.lambda_gp == 25
    assert recipe.augmentation.blur == 0.5
    assert recipe.asp_scheduler == "sigmoid"
    assert recipe.nce_layers == (0, 4)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("lambda_gp", "field=value"),
        ("lambda_gq=1", "lambda_gq"),
        ("lambda_gp=-1", "lambda_gp"),
        ("augmentation.fog=1", r"augmentation\.fog"),
        ("ngf.x=1", r"ngf\.x"),
        ("asp_scheduler=never", "asp_scheduler"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        AspRecipe().with_settings([setting])


def test_unknown_names_are_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="asp, cut"):
        method_named("gan")
    with pytest.raises(UsageError, match="paper"):
        preset(method_named("asp"), "best")
    with pytest.raises(UsageError, match="not a recipe of Asp"):
        Asp.build(CutRecipe(), 0)


@pytest.mark.parametrize("scheduler", ["none", "zero", "linear", "sigmoid", "lambda"])
@pytest.mark.parametrize("lookup", ["uniform", "linear", "top", "bell"])
def test_all_asp_schedules_train(scheduler: str, lookup: str) -> None:
    settings = [f"asp_scheduler={scheduler}", f"asp_lookup={lookup}", "num_patches=8", "ngf=2"]
    recipe = Asp.presets["smoke"].with_settings(settings)
    losses = Asp.build(recipe, 0).training_step(batch(epoch=4), Plain())
    assert losses["ASP"].isfinite()


def test_switched_off_terms_are_gone_and_the_total_is_the_sum() -> None:
    recipe = Asp.presets["smoke"].with_settings(["lambda_asp=0", "lambda_gp=0", "nce_idt=false"])
    losses = Asp.build(recipe, 0).training_step(batch(), Plain())
    assert set(losses) == {"D", "GAN", "NCE", "G"}
    assert losses["G"].item() == pytest.approx((losses["GAN"] + losses["NCE"]).item())


def test_cut_halves_both_contrasts_and_asp_does_not() -> None:
    shared = ["lambda_nce=1", "spectral_norm=false", "nce_idt=true", "num_patches=2048"]
    cut = Cut.build(Cut.presets["smoke"].with_settings(shared), 0)
    asp = Asp.build(Asp.presets["smoke"].with_settings(shared), 0)
    asp.networks["G"].load_state_dict(cut.networks["G"].state_dict())
    asp.networks["F"].load_state_dict(cut.networks["F"].state_dict())
    halved, whole = (m.training_step(batch(36, 1), Still()) for m in (cut, asp))
    assert 2 * halved["NCE"].item() == pytest.approx(whole["NCE"].item(), rel=1e-4)
    assert 2 * halved["NCE_Y"].item() == pytest.approx(whole["NCE_Y"].item(), rel=1e-4)


def test_flip_equivariance_mirrors_half_of_the_batches() -> None:
    recipe = Cut.presets["smoke"].with_settings(["flip_equivariance=true", "nce_idt=false"])
    method = Cut.build(recipe, 0)
    passes = [method.translate(batch(seed=seed)) for seed in range(12)]
    plain = Cut.build(recipe.with_settings(["flip_equivariance=false"]), 0)
    flipped = [p.flipped for p in passes]
    assert 2 < sum(flipped) < 10
    for seed, p in enumerate(passes):
        expected = batch(seed=seed).he
        seen = expected.flip(3) if p.flipped else expected
        torch.testing.assert_close(p.fake, plain.generator()(seen), rtol=1e-3, atol=1e-4)


def test_batch_statistics_are_those_of_the_whole_batch() -> None:
    recipe = Asp.presets["smoke"].with_settings(
        ["statistics=batch", "nce_idt=true", "spectral_norm=false"]
    )
    method = Asp.build(recipe, 0)
    both = batch(count=2)
    fake = method.translate(both).fake
    swapped = Batch(both.he.flip(0), both.ihc.flip(0), both.names, 0, 1, both.generator)
    torch.testing.assert_close(method.translate(swapped).fake.flip(0), fake, rtol=1e-4, atol=1e-5)
    alone = Batch(both.he[:1], both.ihc[:1], both.names, 0, 1, both.generator)
    assert (method.translate(alone).fake - fake[:1]).abs().max() > 1e-3


def test_only_translated_he_enters_running_averages() -> None:
    recipe = Asp.presets["smoke"].with_settings(["norm=batch", "spectral_norm=false"])
    method = Asp.build(recipe, 0)
    both = batch()
    method.training_step(both, Still())
    fresh = Asp.build(recipe, 0)
    fresh.generator()(both.he)
    means = [
        [layer.running_mean for layer in m.generator().modules() if isinstance(layer, BatchNorm2d)]
        for m in (method, fresh)
    ]
    assert len(means[0]) > 0
    for ours, expected in zip(*means, strict=True):
        torch.testing.assert_close(ours, expected)
