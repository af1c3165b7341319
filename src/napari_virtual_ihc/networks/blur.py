"""Antialiased down- and upsampling with binomial filters (methods of the CUT family).

The filters are buffers named ``filt`` because reference checkpoints store them. While training on
the CPU both layers are computed as the box filters and bilinear doubling that they equal: the
gradient of a depthwise convolution is several times slower there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.networks.padding import own_precision


def binomial_filter(taps: tuple[int, ...], channels: int) -> Tensor:
    """Return the outer product of ``taps`` scaled to sum 1, shape (channels, 1, n, n)."""
    line = torch.tensor(taps, dtype=torch.float32)
    square = torch.outer(line, line)
    return (square / square.sum()).expand(channels, 1, -1, -1).clone()


class Downsample(nn.Module):
    """Halve a map: reflect-pad 1, depthwise [1, 2, 1] ⊗ [1, 2, 1] / 16, stride 2.

    Shapes: (N, C, H, W) → (N, C, ⌈H/2⌉, ⌈W/2⌉).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.filt: Tensor
        self.register_buffer("filt", binomial_filter((1, 2, 1), channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` at half size."""
        if self.training and x.device.type == "cpu":
            return halved(x)
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(padded, self.filt, stride=2, groups=self.channels)


class Upsample(nn.Module):
    """Double a map: replicate-pad 1, transposed [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 16, cropped.

    Shapes: (N, C, H, W) → (N, C, 2H, 2W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.filt: Tensor
        self.register_buffer("filt", binomial_filter((1, 3, 3, 1), channels) * 4)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` at double size."""
        if self.training and x.device.type == "cpu":
            return doubled(x)
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        wide = F.conv_transpose2d(padded, self.filt, stride=2, padding=2, groups=self.channels)
        return wide[:, :, 1:-1, 1:-1]


class BoxDownsample(nn.Module):
    """`Downsample` written as two box filters, since [1, 2, 1] = [1, 1] * [1, 1] (exact)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) at half size."""
        return halved(x)


class BilinearUpsample(nn.Module):
    """`Upsample` written as bilinear doubling with pixel centres aligned (exact)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) at double size."""
        return doubled(x)


def halved(x: Tensor) -> Tensor:
    """Return ``x`` (N, C, H, W) reflect-padded and smoothed by two boxes, at half size."""
    with own_precision(x):
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        smooth = F.avg_pool2d(padded, kernel_size=2, stride=1)
        return F.avg_pool2d(smooth, kernel_size=2, stride=2)


def doubled(x: Tensor) -> Tensor:
    """Return ``x`` (N, C, H, W) at double size, bilinear between pixel centres."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def plain_equivalent(module: nn.Module) -> nn.Module:
    """Return the filter-free equal of a blur layer, and any other module as it is."""
    if isinstance(module, Downsample):
        return BoxDownsample()
    if isinstance(module, Upsample):
        return BilinearUpsample()
    return module
