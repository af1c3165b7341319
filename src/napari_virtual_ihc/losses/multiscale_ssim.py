"""Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003), differentiable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.losses.similarity import full_precision, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales as published, full resolution first."""

_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def smallest_side(scales: int) -> int:
    """Return the least side in pixels that leaves room for the window at every scale."""
    return _WINDOW << (scales - 1)


def multiscale_ssim(ours: Tensor, theirs: Tensor, weights: Sequence[float] = WEIGHTS) -> Tensor:
    """Return Π_l cs_l^(w_l) · ssim_L^(w_L), the mean over pictures and channels, 0 to 1.

    Gaussian windows of 11 px and σ = 1.5 inside the picture; negative factors count as 0, where
    the gradient is 0 too.

    Parameters
    ----------
    ours, theirs
        (N, C, H, W) in [0, 1].
    weights
        Exponent of each scale; sides are halved from one to the next.

    Raises
    ------
    DataError
        If a side is too small for the window at the last scale.
    """
    least = smallest_side(len(weights))
    if min(ours.shape[2:]) < least:
        size = tuple(ours.shape[2:])
        raise DataError(f"MS-SSIM of {len(weights)} scales needs {least} px sides, not {size}.")
    with full_precision(ours):
        pair = torch.stack([widened(ours), widened(theirs)])
        factors = []
        for weight in weights[:-1]:
            factors.append(_power(_similarities(pair)[1], weight))
            pair = torch.stack([F.avg_pool2d(images, 2) for images in pair])
        factors.append(_power(_similarities(pair)[0], weights[-1]))
        return torch.stack(factors).prod(dim=0).mean()


def _similarities(pair: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means of SSIM and of its contrast-structure part, (N, C) each."""
    x, y = pair
    moments = _smoothed(torch.stack([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, xx, yy, xy = moments
    spread = xx - mean_x**2 + yy - mean_y**2
    contrast = (2 * (xy - mean_x * mean_y) + _C2) / (spread + _C2)
    light = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return (light * contrast).mean(dim=(2, 3)), contrast.mean(dim=(2, 3))


def _smoothed(maps: Tensor) -> Tensor:
    """Return (…, H, W) smoothed by the window where it lies wholly inside."""
    line = torch.arange(_WINDOW, dtype=maps.dtype, device=maps.device) - _WINDOW // 2
    window = torch.softmax(-(line**2) / (2 * _SIGMA**2), dim=0)
    flat = maps.flatten(0, -3).unsqueeze(1)
    rows = F.conv2d(flat, window.view(1, 1, -1, 1))
    smooth = F.conv2d(rows, window.view(1, 1, 1, -1)).squeeze(1)
    return smooth.reshape(*maps.shape[:-2], *smooth.shape[1:])


def _power(base: Tensor, exponent: float) -> Tensor:
    positive = base > 0
    power: Tensor = torch.where(positive, base, 1.0) ** exponent
    return torch.where(positive, power, 0.0)
