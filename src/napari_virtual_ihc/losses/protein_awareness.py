"""Multi-level protein awareness (MLPA, PSPStain): as much protein in ŷ as in y, and alike spread.

Neighbouring sections do not match pixel by pixel, but the amount of protein in a picture, in its
parts and among its shades is about the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_virtual_ihc.losses.focal_density import LARGEST, FocalDensity

if TYPE_CHECKING:
    from torch import Tensor

_BINS = 20
_TOLERANCE = 0.4


@dataclass(frozen=True)
class Awareness:
    """The three levels of MLPA.

    Attributes
    ----------
    average
        (N,) squared differences of mean density; 0 where they differ by at most 40 % of y's.
    histogram
        (N,) squared differences of the densities' histograms, summed over their bins.
    block
        Mean squared difference of the mean densities of blocks, a scalar.
    """

    average: Tensor
    histogram: Tensor
    block: Tensor

    def total(self, whole: int | None = None) -> Tensor:
        """Return Σ average + mean histogram + block.

        Parameters
        ----------
        whole
            Pictures of the whole batch where several processes share it and average their
            gradients: the first term is a sum over all of them.
        """
        here = len(self.average)
        share = 1.0 if whole is None else whole / here
        return self.average.sum() * share + self.histogram.mean() + self.block


def protein_awareness(
    fake: Tensor, real: Tensor, focal: FocalDensity | None = None, blocks: int = 4
) -> Awareness:
    """Compare the focal optical densities of virtual and real IHC.

    Parameters
    ----------
    fake, real
        (N, 3, H, W) in [-1, 1]; only ``fake`` gets a gradient.
    focal
        How densities are measured; as published where None.
    blocks
        Blocks per side; rows and columns that do not fill one are left out.
    """
    measure = focal or FocalDensity()
    densities = measure.density(fake), measure.density(real.detach())
    ours, theirs = (measure.thresholded(density) for density in densities)
    return Awareness(
        _average(ours, theirs),
        _histogram(*densities),
        F.mse_loss(_block_sums(ours, blocks), _block_sums(theirs, blocks)),
    )


def density_histogram(density: Tensor) -> Tensor:
    """Return the sum of densities in each of 20 bins over [0, e] per pixel: (N, H, W) → (N, 20).

    Bins hold amounts and not counts, so that they have a gradient: what lies in a bin is constant.
    """
    place = (density.detach() * (_BINS / LARGEST)).long().clamp(0, _BINS - 1)
    sums = [torch.where(place == n, density, 0.0).sum(dim=(1, 2)) for n in range(_BINS)]
    return torch.stack(sums, dim=1) / density[0].numel()


def _average(ours: Tensor, theirs: Tensor) -> Tensor:
    mean, wanted = ours.mean(dim=(1, 2)), theirs.mean(dim=(1, 2))
    near = (mean - wanted).abs() <= _TOLERANCE * wanted
    return torch.where(near, 0.0, (mean - wanted) ** 2)


def _histogram(ours: Tensor, theirs: Tensor) -> Tensor:
    return ((density_histogram(ours) - density_histogram(theirs)) ** 2).sum(dim=1)


def _block_sums(density: Tensor, blocks: int) -> Tensor:
    """Return the sums of blocks over a block's share of all pixels, (N, blocks, blocks)."""
    height, width = (side // blocks for side in density.shape[1:])
    filled = density[:, : height * blocks, : width * blocks]
    sums = filled.reshape(-1, blocks, height, blocks, width).sum(dim=(2, 4))
    return sums * (blocks**2 / density[0].numel())
