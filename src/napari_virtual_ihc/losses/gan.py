"""Adversarial losses on discriminator logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

GanMode = Literal["lsgan", "vanilla", "wgangp", "nonsaturating"]


def gan_loss(prediction: Tensor, *, real: bool, mode: GanMode = "lsgan") -> Tensor:
    """Return the loss of judging logits ``prediction`` (N, 1, h, w) as ``real`` or fake.

    ``lsgan``: mean (p − t)², t = 1 or 0 (Mao et al. 2017). ``vanilla``: binary cross-entropy with
    logits (Goodfellow et al. 2014). ``wgangp``: ∓ mean p (Gulrajani et al. 2017).
    ``nonsaturating``: softplus(∓p), one mean per image, shape (N,).
    """
    sign = -1.0 if real else 1.0
    if mode == "wgangp":
        return sign * prediction.mean()
    if mode == "nonsaturating":
        return F.softplus(sign * prediction).flatten(1).mean(dim=1)
    target = torch.full_like(prediction, float(real))
    if mode == "lsgan":
        return F.mse_loss(prediction, target)
    return F.binary_cross_entropy_with_logits(prediction, target)


def discriminator_loss(fake: Tensor, real: Tensor, mode: GanMode = "lsgan") -> Tensor:
    """Return ½ (loss of ``fake`` logits as fake + loss of ``real`` logits as real), a scalar."""
    as_fake = gan_loss(fake, real=False, mode=mode).mean()
    return 0.5 * (as_fake + gan_loss(real, real=True, mode=mode).mean())


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor],
    points: Tensor,
    *,
    weight: float = 10.0,
    norm: float = 1.0,
) -> Tensor:
    """Return weight · mean_n (‖∇D(x_n) + 1e-16‖₂ − norm)², differentiable (WGAN-GP).

    Parameters
    ----------
    discriminator
        From (N, C, H, W) to logits.
    points
        (N, C, H, W): real, fake, or α · real + (1 − α) · fake with one α per image.
    """
    points = points.detach().requires_grad_(True)
    logits = discriminator(points)
    (slopes,) = torch.autograd.grad(logits, points, torch.ones_like(logits), create_graph=True)
    lengths: Tensor = torch.linalg.vector_norm(slopes.flatten(1) + 1e-16, dim=1)
    return weight * (lengths - norm).square().mean()
