"""Stain densities of RGB pictures and back, differentiable, as VSMT jitters them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from napari_virtual_ihc.stains.vectors import DAB, EOSIN, HEMATOXYLIN

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-6


def rgb_to_hed(rgb: Tensor) -> Tensor:
    """Return hematoxylin, eosin and DAB densities of (N, 3, H, W) in [-1, 1], not below 0.

    log x / log 10⁻⁶ · M⁻¹ with the rows of M Ruifrok's vectors as published, not of length 1.
    """
    light = ((rgb + 1) / 2).clamp(min=_LEAST)
    density = light.log() / math.log(_LEAST)
    return _mixed(density, torch.linalg.inv(_vectors(rgb))).clamp(min=0)


def hed_to_rgb(hed: Tensor) -> Tensor:
    """Return the colours of (N, 3, H, W) densities, in [-1, 1]; the inverse of `rgb_to_hed`."""
    light = torch.exp(_mixed(hed, _vectors(hed)) * math.log(_LEAST))
    return 2 * light.clamp(0, 1) - 1


def restained(rgb: Tensor, hematoxylin: float, dab: float) -> Tensor:
    """Return (N, 3, H, W) in [-1, 1] with its hematoxylin and DAB multiplied by the factors."""
    factors = rgb.new_tensor([hematoxylin, 1.0, dab]).view(1, 3, 1, 1)
    return hed_to_rgb(rgb_to_hed(rgb) * factors)


def _vectors(like: Tensor) -> Tensor:
    return torch.tensor((HEMATOXYLIN, EOSIN, DAB), dtype=like.dtype, device=like.device)


def _mixed(channels: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("nchw,cd->ndhw", channels, matrix)
