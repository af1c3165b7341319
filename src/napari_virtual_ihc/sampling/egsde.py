"""EGSDE (Zhao et al., NeurIPS 2022): energies that keep the structure and drop the stain.

E_s, the likeness of the sample's domain-specific features to the perturbed source's, and E_i, the
distance of their low-pass filtered pictures, are both made small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_virtual_ihc.sampling.schedule import VpSchedule


def cosine_likeness(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean over places of the cosine of two (N, C, H, W) along C, (N,)."""
    return F.cosine_similarity(first, second, dim=1).mean(dim=(1, 2))


def squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the sum of squared differences of two (N, C, H, W), (N,)."""
    return (first - second).pow(2).sum(dim=(1, 2, 3))


def low_passed(picture: Tensor, factor: int) -> Tensor:
    """Return pictures (N, C, H, W) made ``factor`` times smaller and as large again.

    Linear interpolation whose triangle is widened where it shrinks, borders mirrored (as MATLAB's
    ``imresize`` and EGSDE's own filter).
    """
    return resized(resized(picture, 1 / factor), float(factor))


def resized(picture: Tensor, scale: float) -> Tensor:
    """Return pictures (N, C, H, W) of ``scale`` times their size, rounded up; see `low_passed`."""
    rows, columns = (_filter(side, scale).to(picture) for side in picture.shape[2:])
    return rows @ picture @ columns.T


@lru_cache(maxsize=16)
def _filter(side: int, scale: float) -> Tensor:
    """Return the weights of each output pixel's input pixels, (ceil(side · scale), side)."""
    narrow = min(scale, 1.0)
    count, reach = math.ceil(side * scale), 1 / narrow
    places = (torch.arange(count, dtype=torch.float64) + 0.5) / scale - 0.5
    taps = math.ceil(2 * reach) + 2
    first = (places - reach).floor().long().unsqueeze(1)
    inputs = first + torch.arange(taps)
    weights = (1 - narrow * (places.unsqueeze(1) - inputs).abs()).clamp(min=0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    mirrored = inputs.remainder(2 * side)
    mirrored = torch.where(mirrored < side, mirrored, 2 * side - 1 - mirrored)
    return torch.zeros(count, side, dtype=torch.float64).scatter_add(1, mirrored, weights)


@dataclass(frozen=True)
class DomainEnergy:
    """E_s: the cosine of features that tell the domains apart (minimised: the source's go).

    Attributes
    ----------
    features
        (y_i, i) → (N, C, H, W); in EGSDE those of a classifier of noised H&E and noised IHC.
    """

    features: Callable[[Tensor, int], Tensor]

    def __call__(self, y: Tensor, source: Tensor, index: int) -> Tensor:
        """Return the energy of each picture, (N,)."""
        return cosine_likeness(self.features(y, index), self.features(source, index))


@dataclass(frozen=True)
class LowPassEnergy:
    """E_i: the squared distance of the low-pass filtered pictures, summed over pixels."""

    factor: int = 32

    def __call__(self, y: Tensor, source: Tensor, index: int) -> Tensor:
        """Return the energy of each picture, (N,)."""
        return squared_distance(low_passed(y, self.factor), low_passed(source, self.factor))


@dataclass(frozen=True)
class EgsdeGuide:
    """What EGSDE adds to the score: −Σ_k λ_k ∇E_k(y_i, x_i, i).

    Attributes
    ----------
    schedule
        Of the chain.
    source
        x_0, (N, 3, H, W) in [-1, 1].
    noise
        The one draw that perturbs the source at every step, and the start point with it.
    energies
        λ_k and E_k, which gives the energy of each picture, (N,), for (y_i, x_i, i); the published
        weights are 500 (E_s) and 2 (E_i).
    """

    schedule: VpSchedule
    source: Tensor
    noise: Tensor
    energies: Sequence[tuple[float, Callable[[Tensor, Tensor, int], Tensor]]]

    def __call__(self, y: Tensor, noise: Tensor, index: int) -> Tensor:
        """Return the addition to the score at ``y``; see `chain.Guide`."""
        perturbed = self.schedule.noised(self.source, self.noise, index)
        total = torch.zeros_like(y)
        for weight, energy in self.energies:
            if weight:
                with torch.enable_grad():
                    free = y.detach().requires_grad_(True)
                    (slope,) = torch.autograd.grad(energy(free, perturbed, index).sum(), free)
                total = total - weight * slope
        return total
