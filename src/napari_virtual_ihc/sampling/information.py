"""MIU-Diff's guidance: less of the source's stain early, more of its structure late.

M(y, x, i) = λ_i U(y) + (1 − λ_i) I(x; y) with U = H(y) − I(x; y), to be made large: H is the
entropy of the sample, I its mutual information with the structure of the H&E, as a statistics
network estimates it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import torch

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.sampling.entropy import entropy

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_virtual_ihc.sampling.recipe import SamplerRecipe
    from napari_virtual_ihc.sampling.schedule import VpSchedule


class Statistics(Protocol):
    """The two halves of a statistics network, as `networks.statistics_network` has."""

    def encode_structure(self, structure: Tensor) -> Tensor:
        """Return features (N, C, h, w) of maps of structure (N, 1, H, W)."""

    def encode_stain(self, stain: Tensor, steps: Tensor) -> Tensor:
        """Return features (N, C, h, w) of noised pictures (N, 3, H, W) at steps (N,)."""

    def score(self, structure: Tensor, stain: Tensor) -> Tensor:
        """Return scores (N, 1, h, w) of features that may belong together."""


class InformationGuide:
    """What MIU-Diff adds to the score at each index of one chain.

    The features of the structure do not change along a chain and are computed once.

    Parameters
    ----------
    recipe
        Of the sampler.
    schedule
        Of the chain.
    statistics
        Trained statistics network, frozen.
    bound
        Joint scores (N, P) and marginal scores (N, Q) → Î of each picture, (N,).
    structure
        Maps of the colour-normalised H&E, (N, 1, H, W) from 0 to 1.
    elsewhere
        The same maps as if of other places, (N, K, 1, H, W); see `structure.rolled_views`.
    """

    def __init__(
        self,
        recipe: SamplerRecipe,
        schedule: VpSchedule,
        statistics: Statistics,
        bound: Callable[[Tensor, Tensor], Tensor],
        structure: Tensor,
        elsewhere: Tensor,
    ) -> None:
        self._recipe = recipe
        self._schedule = schedule
        self._statistics = statistics
        self._bound = bound
        self._views = elsewhere.shape[1]
        with torch.no_grad():
            self._here = statistics.encode_structure(structure)
            self._elsewhere = statistics.encode_structure(elsewhere.flatten(0, 1))
        self._last: Tensor | None = None
        self._calls = 0

    def __call__(self, y: Tensor, noise: Tensor, index: int) -> Tensor:
        """Return the addition to the score at ``y``; see `chain.Guide`.

        Raises
        ------
        ModelError
            If the gradient is not a number.
        """
        if self._last is None or self._calls % self._recipe.guide_every == 0:
            self._last = self._slope(y, noise, index)
        self._calls += 1
        clip = self._recipe.guidance_clip
        shift = (self._last * self._weight(index)).clamp(-clip, clip)
        return shift * (self._recipe.guidance_sign / float(self._schedule.pull[index]))

    def _slope(self, y: Tensor, noise: Tensor, index: int) -> Tensor:
        """Return ∇M of each picture, normalised as the recipe says."""
        with torch.enable_grad():
            free = y.detach().requires_grad_(True)
            terms = self.terms(free, noise, index)
            spread, shared = (_gradient(term, free) for term in terms)
        if not (spread + shared).isfinite().all():
            raise ModelError(f"The guidance is not a number at step {index} of the diffusion.")
        kind, share = self._recipe.guidance_norm, self._recipe.uncertainty_share(index)
        if kind == "terms":
            spread, shared = _unit(spread), _unit(shared)
        slope = share * spread + (1 - 2 * share) * shared
        return _unit(slope) if kind == "unit" else slope

    def terms(self, y: Tensor, noise: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """Return H and Î of each picture, both (N,)."""
        recipe, schedule, span, seen = self._recipe, self._schedule, 1.0, y
        if recipe.guide_on == "y0_hat":
            seen = schedule.clean(y, noise.detach(), index)
        else:
            signal = schedule.signal_at(index)
            span = math.sqrt(signal) + 3 * math.sqrt(1 - signal)
        return entropy(seen, recipe.entropy, span), self.information(seen, index)

    def information(self, seen: Tensor, index: int) -> Tensor:
        """Return Î of each picture and the H&E, (N,)."""
        steps = torch.full((len(seen),), index, dtype=torch.long, device=seen.device)
        stain = self._statistics.encode_stain(seen, steps)
        joint = self._statistics.score(self._here, stain)
        repeated = stain.repeat_interleave(self._views, dim=0)
        marginal = self._statistics.score(self._elsewhere, repeated)
        return self._bound(joint.flatten(1), marginal.reshape(len(seen), -1))

    def _weight(self, index: int) -> float:
        """Return by how much of ∇M a step of the whole grid shifts its mean.

        κ Σ, where Σ is its posterior variance; normalised gradients count in units of its standard
        deviation, κ √Σ.
        """
        variance = float(self._schedule.posterior[index])
        if self._recipe.guidance_norm != "raw":
            variance = math.sqrt(variance)
        return self._recipe.guidance_scale * variance


def _gradient(term: Tensor, of: Tensor) -> Tensor:
    """Return the gradient of a sum of terms; zeros where they do not depend on ``of``."""
    if not term.requires_grad:
        return torch.zeros_like(of)
    (slope,) = torch.autograd.grad(term.sum(), of, retain_graph=True)
    return slope


def _unit(slope: Tensor) -> Tensor:
    """Return gradients of unit RMS over each picture; one of zeros stays."""
    size = slope.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return slope / size.clamp(min=1e-12)
