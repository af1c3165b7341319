"""Lower bounds on mutual information from scores of a statistics network (MINE, NWJ).

G scores pairs that belong together (joint) and pairs that were shuffled (marginal). The more a
bound is raised, the nearer it comes to the mutual information, in nats.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Bound = Literal["donsker_varadhan", "nwj"]
_LARGEST = 20.0


def clamped(scores: Tensor) -> Tensor:
    """Return scores within ± 20, whose exponentials float32 holds."""
    return scores.clamp(-_LARGEST, _LARGEST)


def log_mean_exp(scores: Tensor) -> Tensor:
    """Return log mean exp over the last axis."""
    return torch.logsumexp(scores, dim=-1) - math.log(scores.shape[-1])


def donsker_varadhan(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return mean G(joint) − log mean exp G(marginal), over the last axis (Donsker–Varadhan).

    Parameters
    ----------
    joint, marginal
        (…, P) and (…, Q) scores.

    Returns
    -------
    (…).
    """
    return joint.mean(dim=-1) - log_mean_exp(marginal)


def nwj(joint: Tensor, marginal: Tensor) -> Tensor:
    """Return mean G(joint) − mean exp(G(marginal) − 1), over the last axis (Nguyen et al. 2010)."""
    return joint.mean(dim=-1) - (marginal - 1).exp().mean(dim=-1)


def bound(kind: Bound, joint: Tensor, marginal: Tensor) -> Tensor:
    """Return a bound of clamped scores, as `donsker_varadhan` and `nwj` do."""
    pair = clamped(joint), clamped(marginal)
    return donsker_varadhan(*pair) if kind == "donsker_varadhan" else nwj(*pair)


def corrected_loss(
    joint: Tensor, marginal: Tensor, average: Tensor | None, rate: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Return −`donsker_varadhan` with the gradient of MINE, and the moving average it needs.

    The gradient of log mean exp over a batch is biased, as its denominator is that batch's own;
    a moving average over batches takes its place (Belghazi et al. 2018).

    Parameters
    ----------
    joint, marginal
        (P,) and (Q,) scores.
    average
        Logarithm of the moving average of mean exp G(marginal), a scalar; None at the beginning.
    rate
        Share of the new batch in the average.

    Returns
    -------
    The loss, a scalar, and the logarithm of the new average, detached.
    """
    log_mean = log_mean_exp(marginal)
    fresh = log_mean.detach()
    if average is not None and rate < 1:
        fresh = torch.logaddexp(average + math.log1p(-rate), fresh + math.log(rate))
    slope = (log_mean - fresh).exp()
    return -(joint.mean() - log_mean.detach() - (slope - slope.detach())), fresh
