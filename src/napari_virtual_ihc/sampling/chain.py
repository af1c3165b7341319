"""The reverse chain from a noised source to a clean sample, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import torch

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.sampling.steps import (
    Past,
    Stride,
    ddim_step,
    ddpm_step,
    dpm_step,
    guided_noise,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from napari_virtual_ihc.sampling.recipe import SamplerRecipe
    from napari_virtual_ihc.sampling.refinement import Refinement


class Guide(Protocol):
    """What is added to the score of the unconditional model."""

    def __call__(self, y: Tensor, noise: Tensor, index: int) -> Tensor:
        """Return G, of the shape of ``y``.

        Parameters
        ----------
        y
            (N, 3, H, W), the sample at ``index``.
        noise
            ε̂ in it.
        index
            Of the schedule.
        """


@dataclass(frozen=True)
class Moment:
    """Where a chain stands after a step.

    Attributes
    ----------
    done, total
        Steps.
    sample
        (N, 3, H, W), as noisy as the next step expects; the result after the last.
    clean
        What it would be without the noise left, ŷ_0 of the step, for previews.
    """

    done: int
    total: int
    sample: Tensor
    clean: Tensor


@dataclass(frozen=True)
class Chain:
    """A sampler: all that a chain needs besides its start.

    Attributes
    ----------
    recipe
        Grid, kind of steps, variance, and when patches are refined.
    score
        (y_i, i) → ε̂, both (N, 3, H, W); called without gradients.
    fresh
        i → z of the step from index i, standard normal, of the sample's shape; ``ddpm`` alone
        needs it.
    guide
        None for the unconditional model.
    refinement
        None where the recipe has none.
    """

    recipe: SamplerRecipe
    score: Callable[[Tensor, int], Tensor]
    fresh: Callable[[int], Tensor] | None = None
    guide: Guide | None = None
    refinement: Refinement | None = None

    def __post_init__(self) -> None:
        """Refuse DDPM steps without a source of noise."""
        if self.recipe.sampler == "ddpm" and self.fresh is None:
            raise UsageError("A DDPM chain needs a source of fresh noise.")

    def run(self, start: Tensor) -> Iterator[Moment]:
        """Yield a moment after every step; stop asking to cancel.

        Parameters
        ----------
        start
            (N, 3, H, W) at index `SamplerRecipe.start` − 1, such as a source noised by
            `VpSchedule.noised`.

        Raises
        ------
        ModelError
            If the sample is no longer a number; the sentence names the step.
        """
        indices, y, past = self.recipe.indices, start, None
        schedule = self.recipe.schedule
        for done, (index, target) in enumerate(pairwise((*indices, -1)), start=1):
            with torch.no_grad():
                noise = self._noise(y, index)
                stride = Stride.of(schedule, index, target)
                clean = schedule.clean(y, noise, index)
                after, past = self._step(y, noise, index, stride, past)
                if self.refinement is not None and self.recipe.refines(index):
                    after = after + self.refinement.shift(y, noise, index)
                y = after
            if not y.isfinite().all():
                raise ModelError(f"The sample is not a number after step {index} of the diffusion.")
            yield Moment(done, len(indices), y, clean)

    def sample(self, start: Tensor) -> Tensor:
        """Return the end of a chain, (N, 3, H, W); raises as `run` does."""
        *_, last = self.run(start)
        return last.sample

    def _noise(self, y: Tensor, index: int) -> Tensor:
        noise = self.score(y, index)
        if self.guide is None:
            return noise
        share = self.recipe.schedule.signal_at(index)
        return guided_noise(noise, self.guide(y, noise, index), share)

    def _step(
        self, y: Tensor, noise: Tensor, index: int, stride: Stride, past: Past | None
    ) -> tuple[Tensor, Past | None]:
        if self.recipe.sampler == "ddim":
            return ddim_step(y, noise, stride), None
        if self.recipe.sampler == "dpm":
            return dpm_step(y, noise, stride, past)
        assert self.fresh is not None
        return ddpm_step(y, noise, self.fresh(index), stride, self.recipe.variance), None
