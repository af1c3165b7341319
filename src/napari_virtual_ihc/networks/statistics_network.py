"""MIU-Diff's statistics network G, which tells whether structure and stain belong together.

Its scores give a lower bound on mutual information (`losses.mutual_information`). No code is
public; widths, layers and where the time enters are our reading of the paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError

_TIME = 64
_LONGEST = 10000.0


@dataclass(frozen=True)
class StatisticsConfig:
    """Shape of a `StatisticsNetwork`.

    Attributes
    ----------
    widths
        Channels after each halving of the side, of either encoder.
    groups
        Of group normalisation; divides all widths.
    timed
        Whether the stained picture is noised and its step told.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    groups: int = 8
    timed: bool = True

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if not (1 <= len(self.widths) <= 6 and all(1 <= w <= 4096 for w in self.widths)):
            raise ModelError("Statistics network argument 'widths' needs 1 to 6 widths from 1.")
        if self.groups < 1 or any(width % self.groups for width in self.widths):
            raise ModelError("Statistics network argument 'groups' must divide all 'widths'.")


class StatisticsNetwork(nn.Module):
    """Score pairs of structure (N, 1, H, W) and stained picture (N, 3, H, W) place by place.

    Each is encoded to an eighth of the side (at three widths); two layers score what lies at one
    place. The time enters the encoder of the stained picture alone, so that a structure is encoded
    once for all steps.
    """

    def __init__(self, config: StatisticsConfig) -> None:
        super().__init__()
        self.config = config
        last = config.widths[-1]
        self.structure = _Encoder(1, config, timed=False)
        self.stain = _Encoder(3, config, timed=config.timed)
        self.head = nn.Sequential(nn.Conv2d(2 * last, last, 1), nn.SiLU(), nn.Conv2d(last, 1, 1))

    def forward(self, structure: Tensor, stain: Tensor, steps: Tensor) -> Tensor:
        """Return scores, (N, 1, h, w).

        Parameters
        ----------
        structure
            From 0 to 1.
        stain
            In [-1, 1] before noise.
        steps
            (N,) int64; of no effect where the network is not timed.
        """
        return self.score(self.encode_structure(structure), self.encode_stain(stain, steps))

    def encode_structure(self, structure: Tensor) -> Tensor:
        """Return features of maps of structure, (N, C, h, w)."""
        features: Tensor = self.structure(structure, None)
        return features

    def encode_stain(self, stain: Tensor, steps: Tensor) -> Tensor:
        """Return features of stained pictures, (N, C, h, w)."""
        features: Tensor = self.stain(stain, embedding(steps).to(stain))
        return features

    def score(self, structure: Tensor, stain: Tensor) -> Tensor:
        """Return scores of features, (N, 1, h, w)."""
        scores: Tensor = self.head(torch.cat([structure, stain], dim=1))
        return scores


class _Encoder(nn.Module):
    """Convolutions of stride 2, each normalised; the time is added before each nonlinearity."""

    def __init__(self, channels: int, config: StatisticsConfig, *, timed: bool) -> None:
        super().__init__()
        widths = config.widths
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1)
            for before, after in pairwise((channels, *widths))
        )
        self.norms = nn.ModuleList(nn.GroupNorm(config.groups, width) for width in widths)
        self.times = nn.ModuleList(nn.Linear(_TIME, width) for width in widths if timed)

    def forward(self, x: Tensor, time: Tensor | None) -> Tensor:
        """Return features of an eighth of the side (at three widths)."""
        for n, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = norm(convolution(x))
            if time is not None and self.times:
                x = x + self.times[n](time)[:, :, None, None]
            x = F.silu(x)
        return x


def embedding(steps: Tensor, width: int = _TIME) -> Tensor:
    """Return sines and cosines of steps (N,), (N, width) float32 (Vaswani et al. 2017)."""
    half = width // 2
    rates = torch.arange(half, device=steps.device) * (-math.log(_LONGEST) / half)
    angles = steps.unsqueeze(1).float() * rates.exp()
    return torch.cat([angles.sin(), angles.cos()], dim=1)
