"""The networks that guide VSMT's generator with features of the real stain (keys as published).

`FeatureGenerator` fuses H&E and IHC features of the task networks into features that the
generator's residual blocks take up; its structure head describes the cells of a grid, by which
IHC features are matched and moved before. `GuidanceProjection` is where features are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.norm import make_norm


@dataclass(frozen=True)
class FeatureGeneratorConfig:
    """Shape of a `FeatureGenerator`.

    Attributes
    ----------
    he_channels, ihc_channels
        Channels of the H&E and IHC features; 0 H&E channels fuse IHC alone.
    channels
        Channels of what comes out: those of the generator's residual blocks.
    structure
        Channels of the structure head (published: 128); 0 has none.
    halvings
        Halvings of the structure head: a cell is 2**halvings feature pixels wide (published: 4).
    """

    he_channels: int = 512
    ihc_channels: int = 512
    channels: int = 256
    structure: int = 0
    halvings: int = 4

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if min(self.ihc_channels, self.channels, self.halvings) < 1:
            raise ModelError("A feature generator needs IHC features, channels and a halving.")
        if min(self.he_channels, self.structure) < 0:
            raise ModelError("Channels of a feature generator cannot be negative.")


class FeatureGenerator(nn.Module):
    """Fuse (N, C, h, w) features of H&E and moved IHC into F_sta, (N, channels, h, w)."""

    def __init__(self, config: FeatureGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        wide, sides = config.channels, 2 if config.he_channels else 1
        if config.he_channels:
            self.he_compress = _chain(config.he_channels, wide, (1, 3, 3))
        self.ihc_compress = _chain(config.ihc_channels, wide, (1, 3, 3))
        self.fusion = _chain(sides * wide, wide, (1, 3))
        self.fusion_res = _chain(wide, wide, (3, 3, 3))
        if config.structure:
            self.feature_shifter_p1 = _structure_head(wide, config.structure, config.halvings)
            self.cp_proj = _contrast_head(config.structure)

    def forward(self, he: Tensor | None, ihc: Tensor) -> Tensor:
        """Return F_sta; ``he`` is None where the shape has no H&E channels."""
        sides = [self.ihc_compress(ihc)]
        if he is not None:
            sides.insert(0, self.he_compress(he))
        fused = self.fusion(torch.cat(sides, dim=1))
        out: Tensor = fused + self.fusion_res(fused)
        return out

    def cells(self, features: Tensor) -> Tensor:
        """Return a vector per cell, (N, structure, h / 2**halvings, w / 2**halvings)."""
        vectors: Tensor = self.feature_shifter_p1(features)
        return vectors

    def contrasted(self, features: Tensor) -> Tensor:
        """Return the cells as the structure contrast sees them, same shape as `cells`."""
        vectors: Tensor = self.cp_proj(self.cells(features))
        return vectors


class GuidanceProjection(nn.Module):
    """Project (N, C, h, w) to (N, width, h, w) for comparison: twice 1 × 1, norm, LeakyReLU."""

    def __init__(self, channels: int, width: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (channels, width):
            conv = nn.Conv2d(before, width, 1, bias=False)
            layers += [conv, make_norm("instance", width), nn.LeakyReLU(inplace=True)]
        self.conv = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Return the projected features."""
        out: Tensor = self.conv(features)
        return out


def _chain(before: int, after: int, kernels: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for kernel in kernels:
        conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, padding_mode="reflect")
        layers += [conv, make_norm("instance", after), nn.LeakyReLU(inplace=True)]
        before = after
    return nn.Sequential(*layers)


def _structure_head(channels: int, width: int, halvings: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 1, bias=False)]
    for _ in range(halvings):
        layers += [make_norm("instance", width), nn.ELU(), nn.Conv2d(width, width, 2, stride=2)]
    return nn.Sequential(*layers, make_norm("instance", width), nn.ELU())


def _contrast_head(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 1), nn.ELU(), nn.Conv2d(width, width, 1))
