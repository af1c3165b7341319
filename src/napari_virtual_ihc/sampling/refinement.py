"""The last steps of MIU-Diff: each patch of the sample is drawn to its own patch of the H&E.

ℓ_PCL contrasts features of the score network's way down: those of the estimate ŷ_0 and those of
the source, both noised to the same step with the same noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_virtual_ihc.sampling.recipe import SamplerRecipe
    from napari_virtual_ihc.sampling.schedule import VpSchedule


def patch_contrast(sample: Tensor, source: Tensor, temperature: float = 0.07) -> Tensor:
    """Return the cross-entropy of each patch's own place among all places, (N,).

    Parameters
    ----------
    sample, source
        (N, P, C) unit vectors; ``source`` gets no gradient.
    temperature
        τ.
    """
    likeness = sample @ source.detach().transpose(1, 2) / temperature
    own = torch.arange(likeness.shape[1], device=likeness.device).expand(len(likeness), -1)
    return F.cross_entropy(likeness.transpose(1, 2), own, reduction="none").mean(dim=1)


def patch_distance(sample: Tensor, source: Tensor) -> Tensor:
    """Return the mean squared distance of patches (N, P, C), (N,); ``source`` is detached."""
    return (sample - source.detach()).pow(2).sum(dim=2).mean(dim=1)


class Refinement:
    """A small step of the sample against the gradient of ℓ_PCL (or of ℓ_2).

    Parameters
    ----------
    recipe
        Of the sampler; `SamplerRecipe.refinement` is not ``off``.
    schedule
        Of the chain.
    features
        (y_i, i) → maps (N, C, h, w) at several scales, of a frozen network.
    source
        Colour-normalised H&E, (N, 3, H, W) in [-1, 1].
    noise
        That to which both are noised.
    generator
        CPU source of the chosen places; all steps and pictures have the same.
    """

    def __init__(
        self,
        recipe: SamplerRecipe,
        schedule: VpSchedule,
        features: Callable[[Tensor, int], Sequence[Tensor]],
        source: Tensor,
        noise: Tensor,
        generator: torch.Generator,
    ) -> None:
        self._recipe = recipe
        self._schedule = schedule
        self._features = features
        self._source = source
        self._noise = noise
        self._generator = generator
        self._places: list[Tensor] = []

    def shift(self, y: Tensor, noise: Tensor, index: int) -> Tensor:
        """Return what is added to the sample after the step from ``index``.

        One step: −η ∇ℓ, where η makes the shift's RMS that of the recipe, picture by picture, and
        a picture without gradient is left alone. Several: as many of Adam, at that rate.

        Raises
        ------
        ModelError
            If the gradient is not a number.
        """
        theirs = self._vectors(self._schedule.noised(self._source, self._noise, index), index)
        if self._recipe.refine_steps > 1:
            return self._by_adam(y, noise, index, theirs)
        slope = self._slope(y, noise, index, theirs)
        size = slope.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return slope * (-self._recipe.refine_rms / size.clamp(min=1e-12))

    def _by_adam(self, y: Tensor, noise: Tensor, index: int, theirs: Sequence[Tensor]) -> Tensor:
        moved = y.detach().clone()
        optimiser = torch.optim.Adam([moved], lr=self._recipe.refine_rms)
        for _ in range(self._recipe.refine_steps):
            moved.grad = self._slope(moved, noise, index, theirs)
            optimiser.step()
        return moved - y

    def _slope(self, y: Tensor, noise: Tensor, index: int, theirs: Sequence[Tensor]) -> Tensor:
        """Return ∇ℓ at the sample."""
        with torch.enable_grad():
            free = y.detach().requires_grad_(True)
            clean = self._schedule.clean(free, noise.detach(), index)
            ours = self._vectors(self._schedule.noised(clean, self._noise, index), index)
            (slope,) = torch.autograd.grad(self._loss(ours, theirs).sum(), free)
        if not slope.isfinite().all():
            raise ModelError(f"The refinement is not a number at step {index} of the diffusion.")
        return slope

    def _loss(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        if self._recipe.refinement == "l2":
            terms = [patch_distance(a, b) for a, b in zip(ours, theirs, strict=True)]
        else:
            tau = self._recipe.refine_temperature
            terms = [patch_contrast(a, b, tau) for a, b in zip(ours, theirs, strict=True)]
        return torch.stack(terms).mean(dim=0)

    def _vectors(self, picture: Tensor, index: int) -> list[Tensor]:
        """Return unit vectors at the chosen places of each scale, (N, P, C)."""
        maps = [found.flatten(2).transpose(1, 2) for found in self._features(picture, index)]
        if not self._places:
            self._places = [self._chosen(found) for found in maps]
        chosen = zip(maps, self._places, strict=True)
        return [F.normalize(found[:, places], dim=2) for found, places in chosen]

    def _chosen(self, found: Tensor) -> Tensor:
        order = torch.randperm(found.shape[1], generator=self._generator)
        return order[: self._recipe.refine_patches].to(found.device)
