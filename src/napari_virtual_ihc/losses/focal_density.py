"""Focal optical density of DAB, by which PSPStain (MICCAI 2024) tells how much protein there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from napari_virtual_ihc.losses.similarity import full_precision, widened
from napari_virtual_ihc.stains.vectors import DAB, EOSIN, HEMATOXYLIN

if TYPE_CHECKING:
    from torch import Tensor

FodInput = Literal["signed", "unit"]
LARGEST = math.e
"""The most that a focal optical density can be, whatever α."""

_LEAST = 1e-6
_GREY = (0.2125, 0.7154, 0.0721)
_DAB_OF_RGB = torch.linalg.inv(torch.tensor((HEMATOXYLIN, EOSIN, DAB), dtype=torch.float64))[:, 2]


@dataclass(frozen=True)
class FocalDensity:
    """How densities are measured; the defaults are the published code's.

    Attributes
    ----------
    alpha
        Exponent α, from 1: the larger, the less faint stain counts.
    threshold
        Densities below it count as none where they are summed.
    mask_threshold
        Pixels from this density on are positive.
    fod_input
        What the formula is fed: values in [-1, 1] as the published code does, though every
        channel below mid-grey then counts as black, or values in [0, 1], which is a measurement.
        Both thresholds are made for the former.
    """

    alpha: float = 1.8
    threshold: float = 0.15
    mask_threshold: float = 0.68
    fod_input: FodInput = "signed"

    def density(self, images: Tensor) -> Tensor:
        """Return the focal optical density of each pixel, 0 to e.

        (log₁₀ 1 / (grey + ε))^α, not below 0, where grey is the luminance of the DAB alone and
        ε = 10^(-e^(1/α)).

        Parameters
        ----------
        images
            (N, 3, H, W) in [-1, 1], whatever ``fod_input`` is.

        Returns
        -------
        (N, H, W) float32 or wider; the gradient is finite everywhere.
        """
        with full_precision(images):
            light = widened(images)
            if self.fod_input == "unit":
                light = (light + 1) / 2
            grey = _dab_luminance(light)
            least = math.pow(10, -(math.e ** (1 / self.alpha)))
            optical = -(grey + least).log10()
            return torch.pow(optical.clamp(min=0), self.alpha)

    def thresholded(self, density: Tensor) -> Tensor:
        """Return densities, those below ``threshold`` replaced by 0."""
        return torch.where(density < self.threshold, 0.0, density)

    def mask(self, density: Tensor) -> Tensor:
        """Return which pixels are positive, bool of the shape of ``density``."""
        return density.detach() >= self.mask_threshold


def _dab_luminance(light: Tensor) -> Tensor:
    """Return the luminance, 0 to 1, of what the DAB in (N, 3, H, W) looks like without the rest."""
    density = light.clamp(min=_LEAST).log() / math.log(_LEAST)
    dab = torch.einsum("nchw,c->nhw", density, _DAB_OF_RGB.to(density)).clamp(min=0)
    channels = zip(_GREY, DAB, strict=True)
    parts = [share * torch.exp(dab * (math.log(_LEAST) * colour)) for share, colour in channels]
    return torch.stack(parts).sum(dim=0)
