"""Teaching one network by another's features or answers (VSMT's guidance, Hinton et al. 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_POWER = 10


def guidance_weight(iteration: int, ramp: int, final: float = 15.0) -> float:
    """Return final · min(1, iteration / ramp)^10 (VSMT): nearly nothing until the ramp's end."""
    return final if iteration >= ramp else final * (iteration / ramp) ** _POWER


def guidance_ramp(epochs: float, images: int, batch_size: int) -> int:
    """Return the iterations that ``epochs`` of ``images`` pictures take (published: 5 of 4000)."""
    return int(images * epochs) // batch_size


def feature_distance(
    pairs: Iterable[tuple[Tensor, Tensor]], project: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return Σ mean |P(a) − P(b)| over pairs of (N, C, h, w) features, a scalar.

    Both sides are projected with a gradient; detach what must not learn.
    """
    return torch.stack([F.l1_loss(project(a), project(b)) for a, b in pairs]).sum()


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Return T² · KL(softmax(teacher / T) ‖ softmax(student / T)), mean over (N, classes) logits.

    The teacher's side gets no gradient.
    """
    heard = F.log_softmax(student / temperature, dim=1)
    told = F.softmax(teacher.detach() / temperature, dim=1)
    return F.kl_div(heard, told, reduction="batchmean") * temperature**2
