"""Gaussian-pyramid L1 between virtual and real IHC (ASP, Li et al., MICCAI 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHTS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Level weights of the published launchers, full resolution first."""


def gaussian_pyramid(image: Tensor, blurs: int = 5) -> list[Tensor]:
    """Return ``blurs`` blurred levels (scales 1, ½, ¼ …) and the last one decimated.

    Each level is blurred by [1, 4, 6, 4, 1] ⊗ [1, 4, 6, 4, 1] / 256 with reflect padding 2 and the
    next is its even rows and columns; the unblurred image is not among them.

    Parameters
    ----------
    image
        (N, C, H, W), sides above 2**blurs px.

    Raises
    ------
    DataError
        If a side is too small for the reflect padding of the last blur.
    """
    smallest = 2**blurs + 1
    if min(image.shape[2:]) < smallest:
        size = tuple(image.shape[2:])
        raise DataError(
            f"A Gaussian pyramid of {blurs} blurs needs {smallest} px sides, not {size}."
        )
    levels = []
    current = image
    for _ in range(blurs):
        levels.append(_blur(current))
        current = levels[-1][:, :, ::2, ::2]
    return [*levels, current]


def pyramid_l1(fake: Tensor, real: Tensor, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Return mean_l w_l · mean |level_l(fake) − level_l(real)|, a scalar (unscaled by λ).

    ``fake`` and ``real`` are (N, C, H, W); ``weights`` has one entry per level, blurs + 1 of them.
    """
    terms = [
        w * level for w, level in zip(weights, level_l1(fake, real, len(weights) - 1), strict=True)
    ]
    return torch.stack(terms).mean()


def pyramid_l2(fake: Tensor, real: Tensor, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Return mean_l w_l · mean (level_l(fake) − level_l(real))², arguments as `pyramid_l1`.

    Not published: where a stain cannot be told from H&E, its minimum is the mean of what may be
    there, while that of the L1 is the more frequent of the two.
    """
    blurs = len(weights) - 1
    pairs = zip(gaussian_pyramid(fake, blurs), gaussian_pyramid(real, blurs), strict=True)
    terms = [w * F.mse_loss(a, b) for w, (a, b) in zip(weights, pairs, strict=True)]
    return torch.stack(terms).mean()


def level_l1(fake: Tensor, real: Tensor, blurs: int = 5) -> list[Tensor]:
    """Return the mean absolute difference at each of the ``blurs`` + 1 levels."""
    pairs = zip(gaussian_pyramid(fake, blurs), gaussian_pyramid(real, blurs), strict=True)
    return [F.l1_loss(a, b) for a, b in pairs]


def _blur(image: Tensor) -> Tensor:
    line = image.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    channels = image.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, 5, 5)
    return F.conv2d(F.pad(image, (2, 2, 2, 2), mode="reflect"), kernel, groups=channels)
