"""Bounds on mutual information: worked values, MINE's gradient, and Gaussians of known one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from napari_virtual_ihc.losses.mutual_information import (
    bound,
    corrected_loss,
    donsker_varadhan,
    log_mean_exp,
    nwj,
)

JOINT = torch.tensor([0.5, 1, -0.2, 0.3])
MARGINAL = torch.tensor([-0.1, 0.4, 0.2, -0.6])


def test_worked_values() -> None:
    assert donsker_varadhan(JOINT, MARGINAL).item() == pytest.approx(0.359128, abs=1e-6)
    assert nwj(JOINT, MARGINAL).item() == pytest.approx(0.016773, abs=1e-6)


def test_bounds_are_taken_row_by_row() -> None:
    rows = torch.stack([JOINT, JOINT + 1]), torch.stack([MARGINAL, 2 * MARGINAL])
    for kind in ("donsker_varadhan", "nwj"):
        together = bound(kind, *rows)
        alone = [bound(kind, *row) for row in zip(*rows, strict=True)]
        torch.testing.assert_close(together, torch.stack(alone))


def test_scores_beyond_reason_leave_numbers() -> None:
    for kind in ("donsker_varadhan", "nwj"):
        assert bound(kind, 1e6 * JOINT, 1e6 * MARGINAL).isfinite()


def test_the_corrected_gradient_has_the_averages_denominator() -> None:
    marginal = MARGINAL.clone().requires_grad_(True)
    loss, average = corrected_loss(JOINT, marginal, torch.tensor(0.7), rate=0.01)
    assert loss.item() == pytest.approx(-donsker_varadhan(JOINT, MARGINAL).item(), abs=1e-6)
    expected = 0.99 * math.exp(0.7) + 0.01 * MARGINAL.exp().mean().item()
    assert average.item() == pytest.approx(math.log(expected), abs=1e-6)
    (slope,) = torch.autograd.grad(loss, marginal)
    torch.testing.assert_close(slope, MARGINAL.exp() / 4 / expected)


def test_the_first_batch_is_its_own_average() -> None:
    marginal = MARGINAL.clone().requires_grad_(True)
    loss, average = corrected_loss(JOINT, marginal, None)
    torch.testing.assert_close(average, log_mean_exp(MARGINAL))
    (corrected,) = torch.autograd.grad(loss, marginal)
    (plain,) = torch.autograd.grad(-donsker_varadhan(JOINT, marginal), marginal)
    torch.testing.assert_close(corrected, plain)


def pairs(count: int, correlation: float, source: torch.Generator) -> tuple[Tensor, Tensor]:
    x, other = torch.randn(2, count, 1, generator=source)
    return x, correlation * x + math.sqrt(1 - correlation**2) * other


@pytest.mark.parametrize("kind", ["donsker_varadhan", "nwj"])
@pytest.mark.parametrize("correlation", [0.7, 0.9])
def test_the_information_of_correlated_gaussians_is_found(kind: str, correlation: float) -> None:
    source, known = torch.Generator().manual_seed(5), -0.5 * math.log(1 - correlation**2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = nn.Sequential(
            nn.Linear(2, 48), nn.ELU(), nn.Linear(48, 48), nn.ELU(), nn.Linear(48, 1)
        )
    optimiser, average = torch.optim.Adam(network.parameters(), lr=3e-3), None
    for _ in range(500):
        x, y = pairs(512, correlation, source)
        joint = network(torch.cat([x, y], dim=1))[:, 0]
        marginal = network(torch.cat([x, y.roll(1, 0)], dim=1))[:, 0]
        if kind == "nwj":
            loss = -nwj(joint, marginal)
        else:
            loss, average = corrected_loss(joint, marginal, average)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        x, y = pairs(40_000, correlation, source)
        joint = network(torch.cat([x, y], dim=1))[:, 0]
        marginal = network(torch.cat([x, y.roll(1, 0)], dim=1))[:, 0]
        assert bound(kind, joint, marginal).item() == pytest.approx(known, rel=0.1)
