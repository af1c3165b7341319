"""The multi-magnification attention method: ASP, and what is added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from napari_virtual_ihc.methods.ammfi import Ammfi, AmmfiRecipe
from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.networks.ammfi import AmmfiGenerator
from napari_virtual_ihc.networks.registry import configure
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

SMOKE = Ammfi.presets["smoke"]
ROWS = Ammfi.ablations


class Plain:
    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        optimiser.step()


class Still(Plain):
    def step(self, optimiser: Optimizer) -> None:
        pass


def batch(seed: int = 0, count: int = 2, size: int = 64) -> Batch:
    source = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, size, size, generator=source) * 2 - 1
    return Batch(images[0], images[1], ("a",) * count, 0, 1, source)


def running(method: Ammfi) -> dict[str, Tensor]:
    state = method.networks["G"].state_dict()
    return {key: value.clone() for key, value in state.items() if "running" in key}


def test_the_papers_recipe_is_what_the_paper_states() -> None:
    paper = Ammfi.presets["paper"]
    assert isinstance(paper, AmmfiRecipe)
    assert (paper.lambda_gan, paper.lambda_nce, paper.lambda_asp, paper.lambda_gp) == (
        1,
        10,
        10,
        10,
    )
    assert (paper.n_layers_d, paper.n_blocks, paper.stem, paper.batch_size) == (5, 6, 3, 1)
    assert (paper.crop_size, paper.lr) == (512, 2e-4)
    assert paper.magnification.sampling == "four-way"
    assert paper.magnification.probabilities == (0.25,) * 4
    assert Ammfi.fidelity == "re-implementation from the paper; no public code"


def test_the_four_rows_of_the_ablation() -> None:
    rows = {name: Ammfi.presets["paper"].with_settings(row) for name, row in ROWS.items()}
    told = {
        name: (Ammfi.build(SMOKE.with_settings(ROWS[name]), 0).architecture()[0], row.magnification)
        for name, row in rows.items()
    }
    assert {name: (arch, scale.sampling) for name, (arch, scale) in told.items()} == {
        "Our Baseline": ("resnet", "native"),
        "w/ multi-magnification only": ("resnet", "four-way"),
        "w/ attention only": ("ammfi", "native"),
        "AMMFI": ("ammfi", "four-way"),
    }


def test_the_baseline_is_asp_to_the_last_bit() -> None:
    recipe = SMOKE.with_settings(ROWS["Our Baseline"])
    shared = {k: v for k, v in recipe.model_dump().items() if k in Asp.recipe_type.model_fields}
    ours, theirs = Ammfi.build(recipe, 3), Asp.build(Asp.recipe_type(**shared), 3)
    assert isinstance(configure(*ours.architecture()), ResnetConfig)
    for seed in range(2):
        first, second = (m.training_step(batch(seed), Plain()) for m in (ours, theirs))
        assert {k: v.item() for k, v in first.items()} == {k: v.item() for k, v in second.items()}
    for key, weight in theirs.networks["G"].state_dict().items():
        assert torch.equal(ours.networks["G"].state_dict()[key], weight)


def test_attention_without_a_wide_stem_can_be_switched_off_alone() -> None:
    method = Ammfi.build(SMOKE.with_settings(["attention=false"]), 0)
    network = method.networks["G"]
    assert isinstance(network, AmmfiGenerator)
    assert not network.skips
    assert all(loss.isfinite() for loss in method.training_step(batch(), Plain()).values())


def test_every_part_of_the_attention_learns() -> None:
    method = Ammfi.build(SMOKE, 0)
    before = {k: v.detach().clone() for k, v in method.networks["G"].named_parameters()}
    for seed in range(2):
        method.training_step(batch(seed), Plain())
    still = [k for k, v in method.networks["G"].named_parameters() if torch.equal(v, before[k])]
    assert still == []


def test_running_statistics_follow_h_and_e_alone() -> None:
    method, other = Ammfi.build(SMOKE, 0), Ammfi.build(SMOKE, 0)
    assert SMOKE.nce_idt
    given = batch()
    changed = Batch(given.he, -given.ihc, given.names, 0, 1, torch.Generator())
    start = running(method)
    method.training_step(given, Still())
    other.training_step(changed, Still())
    after, same = running(method), running(other)
    assert all(torch.equal(after[key], same[key]) for key in after)
    assert not any(torch.equal(after[key], start[key]) for key in after)
    momenta = {m.momentum for m in method.networks["G"].modules() if isinstance(m, nn.BatchNorm2d)}
    assert momenta == {0.1}


def test_h_and_e_is_translated_the_same_whatever_ihc_is_beside_it() -> None:
    given = batch()
    changed = Batch(given.he, -given.ihc, given.names, 0, 1, torch.Generator())
    fakes = [Ammfi.build(SMOKE, 0).translate(each).fake for each in (given, changed)]
    assert torch.equal(*fakes)


@pytest.mark.parametrize("settings", [["ammfi_norm=instance"], ["norm=batch"], ["literal_eq3=true"],
                                      ["statistics=batch"], ["antialias=false"], ["stem=7"],
                                      ["nce_idt=false"], ["batch_size=1"]])  # fmt: skip
def test_every_switch_trains(settings: list[str]) -> None:
    recipe = SMOKE.with_settings([*settings, "ngf=4", "num_patches=16"])
    method = Ammfi.build(recipe, 0)
    losses = method.training_step(batch(count=recipe.batch_size), Plain())
    assert all(loss.isfinite() for loss in losses.values())


def test_weights_of_asp_fit_the_trunk() -> None:
    recipe = SMOKE.with_settings(["stem=7", "spectral_norm=false"])
    ours = Ammfi.build(recipe, 0)
    theirs = ResnetGenerator(ours.generator_config)
    missing, unexpected = ours.networks["G"].load_state_dict(theirs.state_dict(), strict=False)
    assert unexpected == []
    assert all(key.startswith("skips.") for key in missing)
