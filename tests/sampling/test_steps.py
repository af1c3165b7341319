"""Single reverse steps: worked values, diffusers' own steps, and what guidance shifts."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.sampling.egsde import EgsdeGuide, cosine_likeness, squared_distance
from napari_virtual_ihc.sampling.schedule import VpSchedule
from napari_virtual_ihc.sampling.steps import (
    Stride,
    ddim_step,
    ddpm_mean,
    ddpm_step,
    dpm_step,
    guided_noise,
)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("index", "beta", "signal", "pull", "posterior"),
    [
        (0, 0.0001, 0.9999, 0.000100005, 0.0),
        (99, 0.00207207, 0.89701815, 0.00207422, 0.00203460),
        (299, 0.00605606, 0.39641976, 0.00607448, 0.00603182),
        (399, 0.00804805, 0.19514644, 0.00808063, 0.00803222),
        (499, 0.01004004, 0.07858724, 0.01009082, 0.01003136),
        (999, 0.02, 4.035830e-5, 0.02020305, 0.01999998),
    ],
)
def test_worked_values(
    index: int, beta: float, signal: float, pull: float, posterior: float
) -> None:
    schedule = VpSchedule()
    found = [t[index].item() for t in (schedule.betas, schedule.signal, schedule.pull)]
    assert found == pytest.approx([beta, signal, pull], rel=2e-6, abs=5e-9)
    stride = Stride.of(schedule, index, index - 1)
    assert schedule.posterior[index].item() == pytest.approx(posterior, abs=5e-9)
    assert stride.variance("posterior") == pytest.approx(posterior, abs=5e-9)
    assert stride.variance("fixedlarge") == pytest.approx(beta, abs=5e-9)


@pytest.mark.parametrize(
    ("index", "mean", "deviation", "first"),
    [
        (0, 0.0245718, 0.6936271, (0.000018, 0.069830, 0.139300, 0.208100)),
        (299, 0.0228175, 0.6935873, (0.0011, 0.0673, 0.1333, 0.1989)),
    ],
)
def test_worked_step_of_egsde(
    index: int, mean: float, deviation: float, first: tuple[float, ...]
) -> None:
    places = torch.arange(192, dtype=torch.float64).view(1, 3, 8, 8)
    y, source = (0.07 * places).sin(), (0.05 * places).cos()

    def low(picture: torch.Tensor) -> torch.Tensor:
        return F.interpolate(F.avg_pool2d(picture, 4), scale_factor=4)

    def domain(a: torch.Tensor, b: torch.Tensor, _: int) -> torch.Tensor:
        return cosine_likeness(a.square(), b.square())

    def content(a: torch.Tensor, b: torch.Tensor, _: int) -> torch.Tensor:
        return squared_distance(low(a), low(b))

    schedule, zero = VpSchedule(), torch.zeros_like(y)
    clean = schedule.clean(source, zero, index)
    guide = EgsdeGuide(schedule, clean, zero, [(500.0, domain), (2.0, content)])
    stride = Stride.of(schedule, index, index - 1)
    noise = guided_noise(0.1 * y, guide(y, zero, index), stride.before)
    stepped = ddpm_mean(y, noise, stride)
    assert stepped.mean().item() == pytest.approx(mean, abs=1e-6)
    assert stepped.std().item() == pytest.approx(deviation, abs=1e-6)
    assert stepped.flatten()[:4].tolist() == pytest.approx(first, abs=6e-5)


@pytest.mark.parametrize("kind", ["posterior", "fixedlarge"])
def test_ddpm_steps_are_those_of_diffusers(kind: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(
        variance_type="fixed_small" if kind == "posterior" else "fixed_large", clip_sample=False
    )
    y, noise, schedule = drawn(2, 3, 8, 8), drawn(2, 3, 8, 8, seed=1), VpSchedule()
    for index in (999, 500, 299, 40, 1, 0):
        fresh = drawn(2, 3, 8, 8, seed=2)
        ours = ddpm_step(y, noise, fresh, Stride.of(schedule, index, index - 1), kind)
        source = torch.Generator().manual_seed(2)
        expected = theirs.step(noise, index, y, generator=source).prev_sample
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=2e-5)


def test_ddim_and_dpm_steps_are_those_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    ddim = diffusers.DDIMScheduler(clip_sample=False, timestep_spacing="linspace")
    ddim.set_timesteps(1000)
    schedule, y, noise = VpSchedule(), drawn(1, 3, 4, 4), drawn(1, 3, 4, 4, seed=1)
    ours = ddim_step(y, noise, Stride.of(schedule, 500, 499))
    torch.testing.assert_close(ours, ddim.step(noise, 500, y).prev_sample, rtol=1e-4, atol=1e-5)

    dpm = diffusers.DPMSolverMultistepScheduler(
        algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        dpm.set_timesteps(timesteps=[299, 200, 90, 0])
    past, theirs, mine = None, y, y
    for count, (index, target) in enumerate([(299, 200), (200, 90), (90, 0), (0, -1)]):
        noise = drawn(1, 3, 4, 4, seed=10 + count)
        theirs = dpm.step(noise, index, theirs).prev_sample
        mine, past = dpm_step(mine, noise, Stride.of(schedule, index, target), past)
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def test_guidance_shifts_the_mean_by_the_pull() -> None:
    schedule, y, noise = VpSchedule(), drawn(1, 3, 4, 4).double(), drawn(1, 3, 4, 4).double()
    addition = drawn(1, 3, 4, 4, seed=3).double()
    for index in (0, 299, 999):
        stride = Stride.of(schedule, index, index - 1)
        guided = ddpm_mean(y, guided_noise(noise, addition, stride.before), stride)
        shift = guided - ddpm_mean(y, noise, stride)
        torch.testing.assert_close(shift, addition * schedule.pull[index])


def test_strides_compose() -> None:
    schedule = VpSchedule()
    long, near, far = (Stride.of(schedule, *pair) for pair in ((300, 100), (300, 200), (200, 100)))
    assert long.alpha == pytest.approx(near.alpha * far.alpha)
    assert long.half_log_snr == pytest.approx(near.half_log_snr + far.half_log_snr)
    assert math.isinf(Stride.of(schedule, 0, -1).half_log_snr)


@pytest.mark.parametrize("spacing", ["even", "quadratic"])
@pytest.mark.parametrize(("start", "count"), [(300, 300), (300, 50), (300, 7), (5, 2), (1, 1)])
def test_grids_descend_from_the_start_to_the_last_step(
    start: int, count: int, spacing: str
) -> None:
    grid = VpSchedule().grid(start, count, spacing)
    assert (len(grid), grid[0]) == (count, start - 1)
    assert all(a > b for a, b in pairwise(grid))
    if count > 1:
        assert grid[-1] == 0
        gaps = [a - b for a, b in pairwise(grid)]
        assert spacing == "quadratic" or max(gaps) - min(gaps) <= 1
        assert gaps[0] >= gaps[-1]


def test_impossible_grids_are_refused() -> None:
    for start, count in ((300, 301), (1001, 10), (300, 0)):
        with pytest.raises(UsageError, match="1 ≤ steps ≤ start ≤ 1000"):
            VpSchedule().grid(start, count)


def test_noising_one_by_one_is_noising_together() -> None:
    schedule, clean, noise = VpSchedule(), drawn(2, 3, 4, 4), drawn(2, 3, 4, 4, seed=1)
    both = schedule.noised(clean, noise, torch.tensor([3, 700]))
    for n, index in enumerate((3, 700)):
        alone = schedule.noised(clean[n : n + 1], noise[n : n + 1], index)
        torch.testing.assert_close(both[n : n + 1], alone)
        torch.testing.assert_close(
            schedule.clean(alone, noise[n : n + 1], index)[0], clean[n], rtol=1e-4, atol=1e-5
        )
