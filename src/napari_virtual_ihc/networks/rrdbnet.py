"""The super-resolution network of ESRGAN (Wang et al. 2018) and BSRGAN (Zhang et al., ICCV 2021).

Keys are those of BSRGAN's published files: a trunk of residual-in-residual dense blocks (RRDB) at
the input's size, then one or two doublings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError

_SHARE = 0.2
"""What a residual branch counts."""
_CONVS = 5
_RANGES = {"width": (1, 1024), "n_blocks": (1, 64), "growth": (1, 1024)}


@dataclass(frozen=True)
class RrdbnetConfig:
    """Shape of an `Rrdbnet`; the defaults are BSRGAN's.

    Attributes
    ----------
    width
        Channels of the trunk.
    n_blocks
        RRDBs.
    growth
        Channels that each convolution of a dense block adds.
    scale
        How many times larger the output is.
    """

    width: int = 64
    n_blocks: int = 23
    growth: int = 32
    scale: Literal[2, 4] = 4

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ModelError(f"Super-resolution argument {name!r} must lie in {low} … {high}.")
        if self.scale not in (2, 4):
            raise ModelError(f"Super-resolution argument 'scale' is 2 or 4, not {self.scale}.")


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it: x + 0.2 conv5([x, x1 … x4])."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for n in range(1, _CONVS + 1):
            after = width if n == _CONVS else growth
            self.add_module(f"conv{n}", _conv(width + (n - 1) * growth, after))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of ``x``."""
        seen = [x]
        for n in range(1, _CONVS):
            seen.append(_leaky(self.get_submodule(f"conv{n}")(torch.cat(seen, dim=1))))
        last: Tensor = self.get_submodule(f"conv{_CONVS}")(torch.cat(seen, dim=1))
        return x + _SHARE * last


class Rrdb(nn.Module):
    """Residual-in-residual dense block: x + 0.2 RDB3(RDB2(RDB1(x)))."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.RDB1 = DenseBlock(width, growth)
        self.RDB2 = DenseBlock(width, growth)
        self.RDB3 = DenseBlock(width, growth)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of ``x``."""
        out: Tensor = x + _SHARE * self.RDB3(self.RDB2(self.RDB1(x)))
        return out


class Rrdbnet(nn.Module):
    """Enlarge (N, 3, H, W) RGB in [0, 1] to (N, 3, sH, sW), not clamped; s is 2 or 4."""

    def __init__(self, config: RrdbnetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        blocks = [Rrdb(width, config.growth) for _ in range(config.n_blocks)]
        self.conv_first = _conv(3, width)
        self.RRDB_trunk = nn.Sequential(*blocks)
        self.trunk_conv = _conv(width, width)
        self.upconv1 = _conv(width, width)
        self.upconv2 = _conv(width, width) if config.scale == 4 else None
        self.HRconv = _conv(width, width)
        self.conv_last = _conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the enlarged image."""
        first = self.conv_first(x)
        out = first + self.trunk_conv(self.RRDB_trunk(first))
        for conv in (self.upconv1, self.upconv2):
            if conv is not None:
                out = _leaky(conv(F.interpolate(out, scale_factor=2.0, mode="nearest")))
        image: Tensor = self.conv_last(_leaky(self.HRconv(out)))
        return image


def _conv(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)
