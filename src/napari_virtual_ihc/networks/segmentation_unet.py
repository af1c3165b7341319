"""The U-Net that tells positive from negative regions of IHC for PSPStain (MICCAI 2024).

Keys ``encoder.*`` and ``decoder1.*`` are those of the published weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.dropout import Dropout

Five = tuple[int, int, int, int, int]
Shares = tuple[float, float, float, float, float]


@dataclass(frozen=True)
class SegmentationUnetConfig:
    """Shape of a `SegmentationUnet`; the defaults are the published network's.

    Attributes
    ----------
    widths
        Channels of the encoder's five stages, full resolution first.
    dropout
        Dropout of each stage; the decoder has none.
    classes
        Channels of the output.
    """

    widths: Five = (32, 32, 64, 128, 256)
    dropout: Shares = (0.05, 0.1, 0.2, 0.3, 0.5)
    classes: int = 2

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if not all(1 <= width <= 4096 for width in self.widths):
            raise ModelError("Segmentation network argument 'widths' must lie in 1 … 4096.")
        if not all(0 <= share < 1 for share in self.dropout):
            raise ModelError("Segmentation network argument 'dropout' must lie in 0 … 1.")
        if not 2 <= self.classes <= 1000:
            raise ModelError("Segmentation network argument 'classes' must lie in 2 … 1000.")


class SegmentationUnet(nn.Module):
    """Segment (N, 3, H, W) in [-1, 1], sides from 16: (N, classes, H, W) logits."""

    def __init__(self, config: SegmentationUnetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder1 = Decoder(config)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.segment(x)[1]

    def segment(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the decoder's last features, (N, widths[0], H, W), and the logits."""
        features = self.decoder1(self.encoder(x))
        logits: Tensor = self.decoder1.out_conv(features)
        return features, logits


class ConvBlock(nn.Module):
    """Two 3 × 3 convolutions, each normalised over the batch, dropout between them."""

    def __init__(self, before: int, after: int, dropout: float) -> None:
        super().__init__()
        self.conv_conv = nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(),
            Dropout(dropout),
            nn.Conv2d(after, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out: Tensor = self.conv_conv(x)
        return out


class DownBlock(nn.Module):
    """A block at half the size, by max pooling."""

    def __init__(self, before: int, after: int, dropout: float) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), ConvBlock(before, after, dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out: Tensor = self.maxpool_conv(x)
        return out


class UpBlock(nn.Module):
    """A block at twice the size, bilinear, beside the encoder's features of that size."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(before, after, 1)
        self.conv = ConvBlock(2 * after, after, 0.0)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """Return the block's output."""
        size = beside.shape[2:]
        large = F.interpolate(self.conv1x1(x), size=size, mode="bilinear", align_corners=True)
        out: Tensor = self.conv(torch.cat([beside, large], dim=1))
        return out


class Encoder(nn.Module):
    """Five stages, each half the size of the one before."""

    def __init__(self, config: SegmentationUnetConfig) -> None:
        super().__init__()
        self.in_conv = ConvBlock(3, config.widths[0], config.dropout[0])
        steps = zip(pairwise(config.widths), config.dropout[1:], strict=True)
        for n, ((before, after), dropout) in enumerate(steps, start=1):
            self.add_module(f"down{n}", DownBlock(before, after, dropout))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features of all stages, full resolution first."""
        maps = [self.in_conv(x)]
        for n in range(1, 5):
            maps.append(self.get_submodule(f"down{n}")(maps[-1]))
        return maps


class Decoder(nn.Module):
    """Four stages back to full resolution; ``out_conv`` makes logits of its features."""

    def __init__(self, config: SegmentationUnetConfig) -> None:
        super().__init__()
        for n, (before, after) in enumerate(pairwise(config.widths[::-1]), start=1):
            self.add_module(f"up{n}", UpBlock(before, after))
        self.out_conv = nn.Conv2d(config.widths[0], config.classes, 3, padding=1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the features at full resolution."""
        *besides, x = maps
        for n, beside in enumerate(reversed(besides), start=1):
            x = self.get_submodule(f"up{n}")(x, beside)
        return x
