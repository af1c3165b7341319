"""Losses on the statistics of a picture as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_AREA = 512**2


def variance_constraint(fake: Tensor, real: Tensor, weight: float = 0.01) -> Tensor:
    """Return mean (var ŷ − var y)² · 512² · weight, a scalar held at 1 where it is larger (VSMT).

    Variances are biased, over the pixels of each image and channel; 512² is a constant of the
    published code, whatever the size. Above 1 the loss is divided by its own value, so that its
    gradient keeps its direction and shrinks.

    Parameters
    ----------
    fake, real
        (N, C, H, W) in [-1, 1].
    """
    gap = fake.var(dim=(2, 3), correction=0) - real.var(dim=(2, 3), correction=0)
    loss = gap.square().mean() * (_AREA * weight)
    return loss / loss.detach().clamp(min=1)
