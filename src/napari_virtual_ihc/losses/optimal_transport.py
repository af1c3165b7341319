"""Entropic optimal transport between two sets of patches (Cuturi 2013; SIM-GAN's matching)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.losses.similarity import full_precision, products

Cost = Literal["easy", "hard"]
_DIAGONAL = -10.0


def sinkhorn(kernel: Tensor, iterations: int = 50) -> Tensor:
    """Scale the rows and columns of ``kernel`` until columns sum to 1 and rows to m / n.

    Parameters
    ----------
    kernel
        (B, n, m), positive.
    iterations
        Rounds of u = (m / n) / (K v), v = 1 / (Kᵀ u). The last word is the columns'.

    Returns
    -------
    diag(u) K diag(v), (B, n, m), differentiable.
    """
    batch, rows, columns = kernel.shape
    share = columns / rows
    u, v = kernel.new_ones(batch, rows, 1), kernel.new_ones(batch, columns, 1)
    with full_precision(kernel):
        for _ in range(iterations):
            u = share / (kernel @ v)
            v = 1 / (kernel.transpose(1, 2) @ u)
    return u * kernel * v.transpose(1, 2)


def transport_plan(
    query: Tensor,
    key: Tensor,
    *,
    cost: Cost = "easy",
    epsilon: float = 1.0,
    iterations: int = 50,
    skip_own: bool = False,
) -> Tensor:
    """Return how much of each query moves to each key, (B, m, n): rows are keys, as published.

    The kernel is exp((1 − q_i · k_j) / ε) with ``easy``, where unlike patches attract each other
    (they are the easy negatives), and exp(q_i · k_j / ε) with ``hard``, where like ones do.

    Parameters
    ----------
    query, key
        (B, n, C) and (B, m, C) unit vectors.
    epsilon
        ε, strength of the entropy: the smaller, the closer to one partner each.
    iterations
        Sinkhorn rounds.
    skip_own
        Set the kernel of a patch with the one at the same place to exp(−10 / ε) (SIM-GAN).
    """
    similarity = products(query, key)
    exponent = 1 - similarity if cost == "easy" else similarity
    if skip_own:
        own = torch.eye(*exponent.shape[1:], dtype=torch.bool, device=exponent.device)
        exponent = exponent.masked_fill(own, _DIAGONAL)
    return sinkhorn(torch.exp(exponent / epsilon), iterations).transpose(1, 2)


def matching_consistency(
    source: Tensor,
    target: Tensor,
    made: Tensor,
    *,
    images: int = 1,
    cost: Cost = "easy",
    epsilon: float = 1.0,
    iterations: int = 50,
) -> Tensor:
    """Return mean |T(x, y) − T(y, ŷ)| over all pairs of patches of an image (SIM-GAN's MC).

    Parameters
    ----------
    source, target, made
        (B · P, C) unit vectors of x, y and ŷ at the same places; only ``made`` gets a gradient.
    images
        B; plans stay within an image.
    cost, epsilon, iterations
        As in `transport_plan`.
    """
    x, y, fake = (
        rows.reshape(images, -1, rows.shape[1]) for rows in (source.detach(), target.detach(), made)
    )
    before, after = (
        transport_plan(*pair, cost=cost, epsilon=epsilon, iterations=iterations, skip_own=True)
        for pair in ((x, y), (y, fake))
    )
    return F.l1_loss(after, before)
