"""Octave-pyramid L1 between virtual and real IHC (Liu et al.: BCI, Pyramid Pix2pix, 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLURS = 4
_SIGMA = 1.0


def octave_pyramid(image: Tensor, octaves: int) -> list[Tensor]:
    """Return ``octaves`` images, the first as it is, each further one of half the side.

    An octave is the one before it, blurred four times by a 3 × 3 Gaussian of σ = 1 px with reflect
    padding 1, of which the even rows and columns are kept.

    Parameters
    ----------
    image
        (N, C, H, W), sides of at least 2**octaves px.

    Raises
    ------
    DataError
        If a side is too small for that many octaves.
    """
    if min(image.shape[2:]) < 2**octaves:
        size = tuple(image.shape[2:])
        raise DataError(f"A pyramid of {octaves} octaves needs {2**octaves} px sides, not {size}.")
    levels = [image]
    while len(levels) < octaves:
        levels.append(_blurred(levels[-1])[:, :, ::2, ::2])
    return levels


def octave_l1(fake: Tensor, real: Tensor, octaves: int) -> list[Tensor]:
    """Return the mean absolute difference at each octave, full resolution first; no weights."""
    pairs = zip(octave_pyramid(fake, octaves), octave_pyramid(real, octaves), strict=True)
    return [F.l1_loss(a, b) for a, b in pairs]


def weighted_octave_l1(fake: Tensor, real: Tensor, weights: Sequence[float]) -> list[Tensor]:
    """Return w_l · mean |octave_l(fake) − octave_l(real)| for each of the ``weights``."""
    levels = octave_l1(fake, real, len(weights))
    return [weight * level for weight, level in zip(weights, levels, strict=True)]


def _blurred(image: Tensor) -> Tensor:
    distance = torch.tensor([-1.0, 0.0, 1.0], dtype=image.dtype, device=image.device)
    line = torch.exp(-distance.square() / (2 * _SIGMA**2))
    line = line / line.sum()
    channels = image.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, 3, 3)
    for _ in range(_BLURS):
        image = F.conv2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), kernel, groups=channels)
    return image
