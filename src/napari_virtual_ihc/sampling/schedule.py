"""The variance-preserving schedule of a diffusion (Ho et al. 2020), in double precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from napari_virtual_ihc.errors import UsageError

Spacing = Literal["even", "quadratic"]


@dataclass(frozen=True)
class VpSchedule:
    """y_i = √ᾱ_i y_0 + √(1 − ᾱ_i) ε for indices i from 0 (least noise) to ``steps`` − 1.

    Parameters
    ----------
    steps
        T.
    first, last
        β_0 and β_{T−1}; those between are spaced evenly.
    """

    steps: int = 1000
    first: float = 1e-4
    last: float = 0.02

    def __post_init__(self) -> None:
        """Refuse a schedule without steps or with β outside 0 … 1."""
        if self.steps < 2 or not 0 < self.first <= self.last < 1:
            raise UsageError("A schedule needs two steps or more and 0 < first ≤ last < 1.")

    @cached_property
    def betas(self) -> Tensor:
        """β, (steps,) float64."""
        return torch.linspace(self.first, self.last, self.steps, dtype=torch.float64)

    @cached_property
    def signal(self) -> Tensor:
        """ᾱ, the share of the clean picture in the variance, (steps,) float64."""
        return (1 - self.betas).cumprod(0)

    @cached_property
    def posterior(self) -> Tensor:
        """Variance β_i (1 − ᾱ_{i−1}) / (1 − ᾱ_i) of a DDPM step, (steps,) float64."""
        before = torch.cat([self.signal.new_ones(1), self.signal[:-1]])
        return self.betas * (1 - before) / (1 - self.signal)

    @cached_property
    def pull(self) -> Tensor:
        """β_i / √α_i, by which a reverse step multiplies the score, (steps,) float64."""
        return self.betas / (1 - self.betas).sqrt()

    def signal_at(self, index: int) -> float:
        """Return ᾱ of an index; 1, the clean picture, for −1."""
        return 1.0 if index < 0 else float(self.signal[index])

    def noised(self, clean: Tensor, noise: Tensor, index: int | Tensor) -> Tensor:
        """Return y_i of clean pictures (N, C, H, W) and standard normal noise of that shape.

        ``index`` is one for all, or one per picture, (N,).
        """
        if isinstance(index, int):
            share = self.signal_at(index)
            return clean * math.sqrt(share) + noise * math.sqrt(1 - share)
        shares = self.signal[index.cpu()].view(-1, 1, 1, 1)
        return clean * shares.sqrt().to(clean) + noise * (1 - shares).sqrt().to(clean)

    def clean(self, noised: Tensor, noise: Tensor, index: int) -> Tensor:
        """Return ŷ_0 = (y_i − √(1 − ᾱ_i) ε̂) / √ᾱ_i, the inverse of `noised` (Tweedie)."""
        share = self.signal_at(index)
        return (noised - noise * math.sqrt(1 - share)) / math.sqrt(share)

    def grid(self, start: int, count: int, spacing: Spacing = "even") -> tuple[int, ...]:
        """Return ``count`` indices from ``start`` − 1 down to 0.

        ``quadratic`` spacing is denser towards 0, where a step of the same size gains more signal
        over noise; multistep solvers need it.

        Raises
        ------
        UsageError
            If there are not so many, or ``start`` lies beyond the schedule.
        """
        if not 1 <= count <= start <= self.steps:
            raise UsageError(
                f"A chain from step {start} of {self.steps} cannot have {count} steps: "
                f"1 ≤ steps ≤ start ≤ {self.steps} must hold."
            )
        if count == 1:
            return (start - 1,)
        power = 1 if spacing == "even" else 2
        scale = (count - 1) ** power
        rising = [0]
        for k in range(1, count):
            near = (2 * (start - 1) * k**power + scale) // (2 * scale)
            rising.append(max(near, rising[-1] + 1))
        return tuple(reversed(rising))
