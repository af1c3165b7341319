"""One reverse step from index i to a lower index, given the noise ε̂ in the sample.

Guidance enters through ε̂: adding G to the score is ε̂ − √(1 − ᾱ_i) G, which shifts the mean of a
DDPM step by (β / √α) G and bends DDIM and DPM-Solver++ alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from napari_virtual_ihc.sampling.schedule import VpSchedule

Variance = Literal["posterior", "fixedlarge"]


@dataclass(frozen=True)
class Stride:
    """A reverse step between two indices of a schedule.

    Attributes
    ----------
    before, after
        ᾱ where the step begins and where it ends (1 at the clean picture).
    """

    before: float
    after: float

    @classmethod
    def of(cls, schedule: VpSchedule, index: int, target: int) -> Stride:
        """Return the step from ``index`` to ``target`` (−1: the clean picture)."""
        return cls(schedule.signal_at(index), schedule.signal_at(target))

    @property
    def alpha(self) -> float:
        """ᾱ_i / ᾱ_j, α_i for neighbours."""
        return self.before / self.after

    @property
    def beta(self) -> float:
        """1 − α."""
        return 1 - self.alpha

    def variance(self, kind: Variance) -> float:
        """Return σ²: β (1 − ᾱ_j) / (1 − ᾱ_i), or β (``fixedlarge``)."""
        if kind == "fixedlarge":
            return self.beta
        return self.beta * (1 - self.after) / (1 - self.before)

    @property
    def half_log_snr(self) -> float:
        """½ log of signal over noise gained, h of DPM-Solver; infinite at the clean picture."""
        return (
            math.inf if self.after >= 1 else _half_log_snr(self.after) - _half_log_snr(self.before)
        )


def _half_log_snr(share: float) -> float:
    return 0.5 * math.log(share / (1 - share))


def guided_noise(noise: Tensor, addition: Tensor, share: float) -> Tensor:
    """Return ε̂ of a score to which ``addition`` is added, at ᾱ = ``share``."""
    return noise - addition * math.sqrt(1 - share)


def ddpm_mean(y: Tensor, noise: Tensor, stride: Stride) -> Tensor:
    """Return (y − β / √(1 − ᾱ_i) ε̂) / √α, the mean of a DDPM step."""
    return (y - noise * (stride.beta / math.sqrt(1 - stride.before))) / math.sqrt(stride.alpha)


def ddpm_step(
    y: Tensor, noise: Tensor, fresh: Tensor, stride: Stride, kind: Variance = "posterior"
) -> Tensor:
    """Return a DDPM step (Ho et al. 2020), ancestral: mean + σ z, no noise at the last step.

    Parameters
    ----------
    y
        (N, C, H, W) at index i.
    noise
        ε̂ in ``y``.
    fresh
        z, standard normal.
    stride
        From i to a lower index.
    kind
        Of the variance.
    """
    mean = ddpm_mean(y, noise, stride)
    if stride.after >= 1:
        return mean
    return mean + fresh * math.sqrt(stride.variance(kind))


def ddim_step(y: Tensor, noise: Tensor, stride: Stride) -> Tensor:
    """Return a deterministic DDIM step (Song et al. 2021): √ᾱ_j ŷ_0 + √(1 − ᾱ_j) ε̂."""
    return _clean(y, noise, stride) * math.sqrt(stride.after) + noise * math.sqrt(1 - stride.after)


@dataclass(frozen=True)
class Past:
    """What a multistep solver remembers: ŷ_0 of the step before and that step's h."""

    clean: Tensor
    half_log_snr: float


def dpm_step(y: Tensor, noise: Tensor, stride: Stride, past: Past | None) -> tuple[Tensor, Past]:
    """Return a DPM-Solver++(2M) step (Lu et al. 2022) and what the next one needs.

    y_j = σ_j / σ_i · y_i − √ᾱ_j (e^{−h} − 1) D with D = ŷ_0 + (ŷ_0 − ŷ_0') h / (2 h'); of first
    order without a past, and at the clean picture.
    """
    clean, h = _clean(y, noise, stride), stride.half_log_snr
    known = Past(clean, h)
    if stride.after >= 1:
        return clean, known
    ahead = clean
    if past is not None:
        ahead = clean + (clean - past.clean) * (h / (2 * past.half_log_snr))
    shrink = math.sqrt((1 - stride.after) / (1 - stride.before))
    return y * shrink - ahead * (math.sqrt(stride.after) * math.expm1(-h)), known


def _clean(y: Tensor, noise: Tensor, stride: Stride) -> Tensor:
    return (y - noise * math.sqrt(1 - stride.before)) / math.sqrt(stride.before)
