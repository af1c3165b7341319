"""How varied the colours of a picture are, with a gradient."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from napari_virtual_ihc.sampling.structure import luminance

EntropyKind = Literal["histogram", "gaussian", "none"]
_EPS = 1e-6


def soft_histogram(values: Tensor, bins: int = 64, span: float = 1.0) -> Tensor:
    """Return shares of values per bin, (N, bins), by a triangular kernel as wide as two bins.

    Parameters
    ----------
    values
        (N, P); those outside ± ``span`` count as at its ends.
    bins
        Bin centres are spread from −``span`` to ``span``, both included.
    """
    place = (values.clamp(-span, span) + span) * ((bins - 1) / (2 * span))
    low = place.detach().floor().clamp(0, bins - 2)
    upper = place - low
    counts = values.new_zeros(len(values), bins)
    counts = counts.scatter_add(1, low.long(), 1 - upper)
    counts = counts.scatter_add(1, low.long() + 1, upper)
    return counts / values.shape[1]


def histogram_entropy(picture: Tensor, bins: int = 64, span: float = 1.0) -> Tensor:
    """Return −Σ p log p of the luminance's `soft_histogram`, (N,) nats, of (N, 3, H, W)."""
    shares = soft_histogram(luminance(picture).flatten(1), bins, span)
    return -(shares * (shares + _EPS).log()).sum(dim=1)


def gaussian_entropy(picture: Tensor) -> Tensor:
    """Return ½ log det(2πe Σ) of the colours' covariance Σ, (N,) nats, of (N, 3, H, W)."""
    colours = picture.flatten(2)
    centred = colours - colours.mean(dim=2, keepdim=True)
    covariance = centred @ centred.transpose(1, 2) / colours.shape[2]
    covariance = covariance + _EPS * torch.eye(3, dtype=picture.dtype, device=picture.device)
    channels = covariance.shape[1]
    return 0.5 * (covariance.logdet() + channels * math.log(2 * math.pi * math.e))


def entropy(picture: Tensor, kind: EntropyKind, span: float = 1.0) -> Tensor:
    """Return the entropy of each picture (N, 3, H, W), (N,); zeros for ``none``."""
    if kind == "histogram":
        return histogram_entropy(picture, span=span)
    if kind == "gaussian":
        return gaussian_entropy(picture)
    return picture.new_zeros(len(picture))
