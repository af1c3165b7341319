"""Whole chains against a data distribution whose score is known: colours that are Gaussian."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.sampling.chain import Chain
from napari_virtual_ihc.sampling.noise import START, NoiseField
from napari_virtual_ihc.sampling.recipe import SamplerRecipe

SIDE = 64
MEAN = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
ROOT = torch.tensor([[0.4, 0, 0], [0.2, 0.3, 0], [-0.1, 0.1, 0.2]], dtype=torch.float64)
COVARIANCE = ROOT @ ROOT.T
PULL = torch.tensor([4.0, 1.0, 0.0], dtype=torch.float64)
WISH = torch.tensor([-0.5, 0.5, 0.0], dtype=torch.float64)


def posterior() -> tuple[Tensor, Tensor]:
    """Mean and covariance of the data times exp(−½ Σ_c PULL_c (y_c − WISH_c)²)."""
    precision = COVARIANCE.inverse() + torch.diag(PULL)
    mean = precision.inverse() @ (COVARIANCE.inverse() @ MEAN + PULL * WISH)
    return mean, precision.inverse()


def score(y: Tensor, index: int, mean: Tensor, covariance: Tensor) -> Tensor:
    """∇ log p_i of noised colours."""
    share = SamplerRecipe().schedule.signal_at(index)
    noised = share * covariance + (1 - share) * torch.eye(3, dtype=torch.float64)
    centred = y - (math.sqrt(share) * mean).view(1, 3, 1, 1)
    return -torch.einsum("cd,ndhw->nchw", noised.inverse(), centred)


def noise_in(y: Tensor, index: int) -> Tensor:
    share = SamplerRecipe().schedule.signal_at(index)
    return -score(y, index, MEAN, COVARIANCE) * math.sqrt(1 - share)


class Energy:
    """A quadratic energy of clean colours, as it is felt at each noise level."""

    def __call__(self, y: Tensor, noise: Tensor, index: int) -> Tensor:
        return score(y, index, *posterior()) - score(y, index, MEAN, COVARIANCE)


def chain(kind: str, steps: int, guide: Energy | None, variance: str = "posterior") -> Chain:
    recipe = SamplerRecipe(
        start=1000,
        steps=steps,
        sampler=kind,
        spacing="quadratic" if kind == "dpm" else "even",
        variance=variance,
        guidance="off",
        refinement="off",
    )
    field = NoiseField(7)
    return Chain(recipe, noise_in, lambda i: field.draw(i, 0, 0, SIDE, SIDE)[None].double(), guide)


@pytest.mark.parametrize(
    ("kind", "steps", "variance", "guided", "tolerance"),
    [
        ("ddpm", 250, "posterior", False, 0.03),
        ("ddpm", 250, "posterior", True, 0.03),
        ("ddpm", 250, "fixedlarge", True, 0.03),
        ("ddim", 100, "posterior", False, 0.03),
        ("ddim", 100, "posterior", True, 0.03),
        ("dpm", 20, "posterior", False, 0.03),
        ("dpm", 20, "posterior", True, 0.03),
    ],
)
def test_samples_have_the_right_mean_and_covariance(
    kind: str, steps: int, variance: str, guided: bool, tolerance: float
) -> None:
    start = NoiseField(7).draw(0, 0, 0, SIDE, SIDE, stream=START)[None].double()
    sampler = chain(kind, steps, Energy() if guided else None, variance)
    colours = sampler.sample(start)[0].flatten(1)
    mean, covariance = posterior() if guided else (MEAN, COVARIANCE)
    torch.testing.assert_close(colours.mean(dim=1), mean, rtol=0, atol=tolerance)
    torch.testing.assert_close(torch.cov(colours), covariance, rtol=0, atol=tolerance)


def test_the_multistep_solver_needs_fewer_steps_than_ddim() -> None:
    start = NoiseField(7).draw(0, 0, 0, SIDE, SIDE, stream=START)[None].double()
    exact = chain("dpm", 300, Energy()).sample(start)
    errors = {
        kind: float((chain(kind, 15, Energy()).sample(start) - exact).abs().mean())
        for kind in ("ddim", "dpm")
    }
    assert errors["dpm"] < 0.5 * errors["ddim"]


def test_moments_preview_the_end_and_stopping_is_at_once() -> None:
    start = NoiseField(7).draw(0, 0, 0, SIDE, SIDE, stream=START)[None].double()
    asked = []

    def counted(y: Tensor, index: int) -> Tensor:
        asked.append(index)
        return noise_in(y, index)

    recipe = SamplerRecipe(start=300, steps=10, sampler="ddim", guidance="off", refinement="off")
    moments = Chain(recipe, counted).run(start)
    first = next(moments)
    assert (first.done, first.total, asked) == (1, 10, [299])
    moments.close()
    assert asked == [299]
    *_, last = Chain(recipe, noise_in).run(start)
    torch.testing.assert_close(last.sample, last.clean)


def test_a_sample_that_is_no_number_is_told_with_its_step() -> None:
    recipe = SamplerRecipe(start=300, steps=10, sampler="ddim", guidance="off", refinement="off")

    def broken(y: Tensor, index: int) -> Tensor:
        return y * (math.nan if index < 250 else 1)

    with pytest.raises(ModelError, match="after step 233"):
        Chain(recipe, broken).sample(torch.zeros(1, 3, 4, 4))


def test_ddpm_without_noise_is_refused() -> None:
    with pytest.raises(UsageError, match="fresh noise"):
        Chain(SamplerRecipe(), noise_in)
