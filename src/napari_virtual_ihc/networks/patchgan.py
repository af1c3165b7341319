"""PatchGAN discriminators in the layouts of published checkpoints (Isola et al. 2017 and heirs)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.blur import Downsample
from napari_virtual_ihc.networks.norm import NormKind, make_norm
from napari_virtual_ihc.networks.spectral import spectral

_LAYOUTS = ("asp", "cut", "pixel")


@dataclass(frozen=True)
class PatchGanConfig:
    """Shape of a `PatchGan`.

    Attributes
    ----------
    layout
        Key names: ``asp`` (``enc.*`` and ``final_conv.*``), ``cut`` (``model.*``, also CycleGAN and
        pix2pix) or ``pixel`` (1 × 1 convolutions, ``net.*``).
    antialias
        Stride-2 convolutions become stride 1, LeakyReLU, blur-downsample.
    """

    input_nc: int = 3
    ndf: int = 64
    n_layers: int = 3
    norm: NormKind = "instance"
    antialias: bool = True
    spectral: bool = False
    layout: Literal["asp", "cut", "pixel"] = "asp"

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if min(self.input_nc, self.ndf, self.n_layers) < 1 or self.n_layers > 12:
            raise ModelError(
                "Discriminator arguments 'input_nc', 'ndf' and 'n_layers' must be at least 1."
            )
        if self.layout not in _LAYOUTS:
            raise ModelError(f"Discriminator layout {self.layout!r} is not one of {_LAYOUTS}.")


class PatchGan(nn.Module):
    """Judge (N, input_nc, H, W) in [-1, 1]: (N, 1, h, w) logits, one per patch, no sigmoid."""

    def __init__(self, config: PatchGanConfig) -> None:
        super().__init__()
        self.config = config
        if config.layout == "pixel":
            self.net = nn.Sequential(*_pixel_layers(config))
            return
        *body, last = _layers(config)
        if config.layout == "asp":
            self.enc = nn.Sequential(*body)
            self.final_conv = last
        else:
            self.model = nn.Sequential(*body, last)

    def forward(self, x: Tensor) -> Tensor:
        """Return the patch logits."""
        logits: Tensor
        if self.config.layout == "pixel":
            logits = self.net(x)
        elif self.config.layout == "asp":
            logits = self.final_conv(self.enc(x))
        else:
            logits = self.model(x)
        return logits


def _layers(config: PatchGanConfig) -> list[nn.Module]:
    widths = [config.ndf * min(2**n, 8) for n in range(config.n_layers + 1)]
    layers = _stage(config, config.input_nc, widths[0], first=True)
    for before, after in pairwise(widths[:-1]):
        layers += _stage(config, before, after)
    layers += _stage(config, widths[-2], widths[-1], halve=False)
    return [*layers, _wrapped(config, nn.Conv2d(widths[-1], 1, 4, padding=1))]


def _stage(
    config: PatchGanConfig, before: int, after: int, *, first: bool = False, halve: bool = True
) -> list[nn.Module]:
    stride = 2 if halve and not config.antialias else 1
    bias = first or config.norm == "instance"
    conv = nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=bias)
    layers = [_wrapped(config, conv)]
    if not first:
        layers.append(make_norm(config.norm, after))
    layers.append(nn.LeakyReLU(0.2, inplace=True))
    return [*layers, Downsample(after)] if halve and config.antialias else layers


def _pixel_layers(config: PatchGanConfig) -> list[nn.Module]:
    bias = config.norm == "instance"
    wide = 2 * config.ndf
    return [
        _wrapped(config, nn.Conv2d(config.input_nc, config.ndf, 1)),
        nn.LeakyReLU(0.2, inplace=True),
        _wrapped(config, nn.Conv2d(config.ndf, wide, 1, bias=bias)),
        make_norm(config.norm, wide),
        nn.LeakyReLU(0.2, inplace=True),
        _wrapped(config, nn.Conv2d(wide, 1, 1, bias=bias)),
    ]


def _wrapped(config: PatchGanConfig, conv: nn.Module) -> nn.Module:
    return spectral(conv) if config.spectral else conv
