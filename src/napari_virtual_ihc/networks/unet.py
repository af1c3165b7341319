"""The pix2pix U-Net generator (Isola et al. 2017) with its nested keys ``model.model…``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.dropout import Dropout
from napari_virtual_ihc.networks.norm import make_norm


@dataclass(frozen=True)
class UnetConfig:
    """Shape of a `UnetGenerator`.

    Attributes
    ----------
    n_downs
        Halvings: 8 for ``unet_256``, 7 for ``unet_128``. Sides must be multiples of 2**n_downs.
    dropout
        Probability in the middle (8 ngf to 8 ngf) decoder blocks; the reference uses 0.5.
    """

    input_nc: int = 3
    output_nc: int = 3
    ngf: int = 64
    n_downs: int = 8
    norm: Literal["instance", "batch"] = "batch"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if not _in_range(self.input_nc, self.output_nc, self.ngf) or not 0 <= self.dropout < 1:
            raise ModelError(
                "U-Net arguments 'input_nc', 'output_nc', 'ngf' or 'dropout' are out of range."
            )
        if not 5 <= self.n_downs <= 12:
            raise ModelError(f"A U-Net has 5 to 12 halvings ('n_downs'), not {self.n_downs}.")
        if self.norm not in ("instance", "batch"):
            raise ModelError(f"U-Net norm {self.norm!r} is neither 'instance' nor 'batch'.")

    @property
    def stride(self) -> int:
        """Sides of an image must be multiples of this."""
        return 1 << self.n_downs


def _in_range(*widths: int) -> bool:
    return all(1 <= width <= 1024 for width in widths)


class SkipBlock(nn.Module):
    """Concatenate x and model(x) along the channels; the outermost block returns model(x) alone."""

    def __init__(self, model: nn.Sequential, *, outermost: bool = False) -> None:
        super().__init__()
        self.model = model
        self.outermost = outermost

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W), with the encoder side first where concatenated."""
        out: Tensor = self.model(x)
        return out if self.outermost else torch.cat([x, out], dim=1)


class UnetGenerator(nn.Module):
    """Translate (N, input_nc, H, W) in [-1, 1] to (N, output_nc, H, W) in [-1, 1]."""

    def __init__(self, config: UnetConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _nest(config)

    def forward(self, x: Tensor) -> Tensor:
        """Return the translated image.

        Raises
        ------
        ModelError
            If a side is not a multiple of 2**n_downs.
        """
        step = 2**self.config.n_downs
        if x.shape[2] % step or x.shape[3] % step:
            raise ModelError(
                f"This U-Net needs sides that are multiples of {step}, not {tuple(x.shape[2:])}."
            )
        out: Tensor = self.model(x)
        return out


def _nest(config: UnetConfig) -> SkipBlock:
    wide = 8 * config.ngf
    block = _innermost(config, wide)
    for _ in range(config.n_downs - 5):
        block = _middle(config, wide, wide, block, config.dropout)
    for factor in (4, 2, 1):
        block = _middle(config, factor * config.ngf, 2 * factor * config.ngf, block, 0.0)
    return _outermost(config, block)


def _down(config: UnetConfig, outer: int, inner: int) -> nn.Conv2d:
    return nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=config.norm == "instance")


def _up(inner: int, outer: int, *, bias: bool) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1, bias=bias)


def _innermost(config: UnetConfig, width: int) -> SkipBlock:
    up = _up(width, width, bias=config.norm == "instance")
    encoder = [nn.LeakyReLU(0.2), _down(config, width, width)]
    return SkipBlock(nn.Sequential(*encoder, nn.ReLU(), up, make_norm(config.norm, width)))


def _middle(
    config: UnetConfig, outer: int, inner: int, block: SkipBlock, dropout: float
) -> SkipBlock:
    encoder = [nn.LeakyReLU(0.2), _down(config, outer, inner), make_norm(config.norm, inner)]
    up = _up(2 * inner, outer, bias=config.norm == "instance")
    decoder = [nn.ReLU(), up, make_norm(config.norm, outer)]
    tail = [Dropout(dropout)] if dropout else []
    return SkipBlock(nn.Sequential(*encoder, block, *decoder, *tail))


def _outermost(config: UnetConfig, block: SkipBlock) -> SkipBlock:
    up = _up(2 * config.ngf, config.output_nc, bias=True)
    down = _down(config, config.input_nc, config.ngf)
    return SkipBlock(nn.Sequential(down, block, nn.ReLU(), up, nn.Tanh()), outermost=True)
