from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.sampling.chain import Chain
from napari_virtual_ihc.sampling.egsde import (
    DomainEnergy,
    EgsdeGuide,
    LowPassEnergy,
    cosine_likeness,
    low_passed,
    resized,
    squared_distance,
)
from napari_virtual_ihc.sampling.recipe import SamplerRecipe
from napari_virtual_ihc.sampling.schedule import VpSchedule
from napari_virtual_ihc.sampling.steps import Stride, ddpm_step, guided_noise

STEPS = 1000


@dataclass(frozen=True)
class Toy:
    """The score and the features of the reference's toy networks."""

    state: dict[str, Tensor]

    def score(self, y: Tensor, index: int) -> Tensor:
        out = F.conv2d(y, self.state["score.weight"], self.state["score.bias"], padding=1)
        return (out + index / STEPS)[:, :3]

    def features(self, y: Tensor, index: int) -> Tensor:
        weight, bias = self.state["features.weight"], self.state["features.bias"]
        return F.conv2d(y, weight, bias, stride=2, padding=1).tanh() * (1 + index / STEPS)


@dataclass(frozen=True)
class Perturbed:
    """A guide that is told x_i instead of noising x_0."""

    energies: tuple[tuple[float, object], ...]
    source: Tensor

    def __call__(self, y: Tensor, index: int) -> Tensor:
        known = VpSchedule(STEPS)
        inverse = known.clean(self.source, torch.zeros_like(y), index)
        guide = EgsdeGuide(known, inverse, torch.zeros_like(y), self.energies)
        return guide(y, torch.zeros_like(y), index)


def chosen(kind: str, toy: Toy, factor: int):
    def features(y: Tensor, source: Tensor, index: int) -> Tensor:
        return -squared_distance(toy.features(y, index), toy.features(source, index))

    def low_pass(y: Tensor, source: Tensor, index: int) -> Tensor:
        return -cosine_likeness(low_passed(y, factor), low_passed(source, factor))

    if kind == "cosine_neg_l2":
        return (500.0, DomainEnergy(toy.features)), (2.0, LowPassEnergy(factor))
    return (0.05, features), (300.0, low_pass)


@pytest.mark.golden("egsde_schedule$")
def test_schedule(case) -> None:
    expected, ours = case.tensors(), VpSchedule(STEPS, case.args["beta_start"], 0.02)
    case.check(ours.betas, expected["betas_linear"])
    case.check(ours.betas.float(), expected["betas"])
    case.check(ours.signal.float(), expected["alphas_cumprod"])
    case.check(((1 - ours.betas) ** -0.5).float(), expected["coef_x"])
    single = (1 - ours.betas.float()).cumprod(0)  # near 1, as the reference rounds it
    case.check(ours.betas.float() / (1 - single).sqrt(), expected["coef_eps"])
    ours_eps = (ours.betas / (1 - ours.signal).sqrt()).float()
    torch.testing.assert_close(ours_eps, expected["coef_eps"], rtol=2e-4, atol=0)
    case.check(ours.pull.float(), expected["coef_energy"])
    before = torch.cat([torch.ones(1), single[:-1]])
    posterior = ours.betas.float() * (1 - before) / (1 - single)
    case.check(posterior.clamp(min=1e-20).log(), expected["logvar_fixedsmall"])
    known = ours.posterior.clamp(min=1e-20).log().float()
    torch.testing.assert_close(known, expected["logvar_fixedsmall"], rtol=2e-5, atol=0)
    case.check(ours.betas.log().float(), expected["logvar_fixedlarge"])
    strides = [Stride.of(ours, index, index - 1) for index in (1, 500, 999)]
    for index, stride in zip((1, 500, 999), strides, strict=True):
        assert math.log(stride.variance("fixedlarge")) == pytest.approx(
            float(expected["logvar_fixedlarge"][index]), rel=1e-5
        )
        assert math.log(stride.variance("posterior")) == pytest.approx(
            float(expected["logvar_fixedsmall"][index]), rel=1e-5
        )


@pytest.mark.golden("egsde_lowpass$")
def test_low_pass(case) -> None:
    tensors = case.tensors()
    case.check(resized(tensors["image"], 1 / 8), tensors["down"])
    case.check(resized(tensors["image"], 1 / 4), tensors["down4"])
    case.check(low_passed(tensors["image"], case.args["down_N"]), tensors["up"])


@pytest.mark.golden("egsde_step$")
def test_step(case) -> None:
    tensors, toy = case.tensors(), Toy(case.state())
    y, source, schedule = tensors["y"], tensors["xt"], VpSchedule(STEPS)
    case.check(cosine_likeness(tensors["sim_a"], tensors["sim_b"]), tensors["cosine"])
    case.check(squared_distance(tensors["sim_a"], tensors["sim_b"]), tensors["mse"])
    for index in (999, 250, 10, 0):
        stride, fresh = Stride.of(schedule, index, index - 1), tensors[f"noise_t{index}"]
        noise = toy.score(y, index)
        for kind in ("cosine_neg_l2", "neg_l2_cosine"):
            addition = Perturbed(chosen(kind, toy, case.args["down_N"]), source)(y, index)
            guided = guided_noise(noise, addition, stride.before)
            case.check(ddpm_step(y, guided, fresh, stride), tensors[f"out_t{index}_{kind}"])
    stride = Stride.of(schedule, 250, 249)
    plain = ddpm_step(y, toy.score(y, 250), tensors["noise_t250"], stride)
    case.check(plain, tensors["out_noguidance_t250"])


@pytest.mark.golden("egsde_chain$")
def test_chain(case) -> None:
    tensors, args = case.tensors(), case.args
    toy = Toy(_state_of_step(case))
    recipe = SamplerRecipe(
        start=args["t_start"], steps=args["t_start"], guidance="energies", refinement="off"
    )
    source, noise, draws = tensors["x0"], tensors["e"], tensors["z"]
    start = recipe.schedule.noised(source, noise, recipe.start - 1)
    case.check(start, tensors["y_start"])
    energies = (args["ls"], DomainEnergy(toy.features)), (args["li"], LowPassEnergy(8))
    guide = EgsdeGuide(recipe.schedule, source, noise, energies)
    chain = Chain(recipe, toy.score, lambda index: draws[recipe.start - 1 - index], guide)
    case.check(chain.sample(start), tensors["y_end"])


def _state_of_step(case) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(case.folder / "egsde_step.weights.safetensors")
