"""The generator of the multi-magnification attention method: a ResNet with attended skips.

Re-implemented from the paper, which has no public code. Its trunk keeps the layer positions (and so
checkpoint keys and feature taps) of `ResnetGenerator`; with ``stem=7`` and without attention it is
that network.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.attention import Ammfi, projection
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.spectral import spectral
from napari_virtual_ihc.networks.tapping import require_taps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LEVELS = 2
_STEM = 4
"""Layers before the first down step: pad, convolution, norm, ReLU."""


@dataclass(frozen=True)
class AmmfiConfig:
    """Shape of an `AmmfiGenerator`; arguments that it shares with `ResnetConfig` mean the same.

    Attributes
    ----------
    stem
        Side of the first convolution: the paper's 3, or the 7 of ASP and its kin.
    attention
        Whether the skips with their attention modules are there at all.
    trunk_norm
        Norm of the trunk and behind each merge.
    ammfi_norm
        Norm inside the attention modules.
    literal_eq3
        See `attention.Ammfi`.
    spectral
        Spectral norm on the convolutions of trunk and skips. Inside the attention modules it would
        undo nothing but what their norms undo, so that they go without.
    """

    input_nc: int = 3
    output_nc: int = 3
    ngf: int = 64
    n_blocks: int = 6
    stem: Literal[3, 7] = 3
    attention: bool = True
    trunk_norm: Literal["instance", "batch"] = "instance"
    ammfi_norm: Literal["instance", "batch"] = "batch"
    literal_eq3: bool = False
    dropout: float = 0.0
    antialias: bool = True
    antialias_up: bool = True
    spectral: bool = False

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        if self.stem not in (3, 7):
            raise ModelError(f"Generator argument 'stem' is 3 or 7, not {self.stem}.")
        if self.ammfi_norm not in ("batch", "instance"):
            raise ModelError(
                f"Generator norm {self.ammfi_norm!r} is neither 'batch' nor 'instance'."
            )
        _ = self.trunk

    @property
    def norm(self) -> Literal["instance", "batch"]:
        """``instance`` where any norm is one, whose statistics are to be chosen on a slide."""
        inside = self.ammfi_norm if self.attention else self.trunk_norm
        return "instance" if "instance" in (self.trunk_norm, inside) else "batch"

    @property
    def stride(self) -> int:
        """Sides of an image must be multiples of this."""
        return 1 << _LEVELS

    @property
    def trunk(self) -> ResnetConfig:
        """The network without attention and with a 7×7 stem."""
        return ResnetConfig(
            input_nc=self.input_nc,
            output_nc=self.output_nc,
            ngf=self.ngf,
            n_blocks=self.n_blocks,
            n_downsampling=_LEVELS,
            norm=self.trunk_norm,
            dropout=self.dropout,
            antialias=self.antialias,
            antialias_up=self.antialias_up,
            spectral=self.spectral,
        )

    @property
    def encoder_ends(self) -> tuple[int, ...]:
        """Positions whose outputs are kept for the skips, full resolution first."""
        down = 4 if self.antialias else 3
        return tuple(_STEM - 1 + level * down for level in range(_LEVELS))

    @property
    def decoder_ends(self) -> tuple[int, ...]:
        """Positions whose outputs are merged with a skip, full resolution first."""
        up = 4 if self.antialias_up else 3
        last = _STEM - 1 + _LEVELS * (4 if self.antialias else 3) + self.n_blocks + _LEVELS * up
        return tuple(last - level * up for level in range(_LEVELS))


class AttendedSkip(nn.Module):
    """ReLU(norm(conv 3×3 [f_d ; AMMFI(f_e, f_d)])): decoder features with attended encoder ones."""

    def __init__(self, config: AmmfiConfig, channels: int) -> None:
        super().__init__()
        self.attention = Ammfi(channels, config.ammfi_norm, literal_eq3=config.literal_eq3)
        conv, norm = projection(2 * channels, channels, config.trunk_norm)
        conv = spectral(conv) if config.spectral else conv
        self.merge = nn.Sequential(conv, norm, nn.ReLU(inplace=True))

    def forward(self, encoded: Tensor, decoded: Tensor) -> Tensor:
        """Return the merged features of f_e and f_d, all (N, C, H, W)."""
        merged: Tensor = self.merge(torch.cat([decoded, self.attention(encoded, decoded)], dim=1))
        return merged


class AmmfiGenerator(nn.Module):
    """Translate (N, input_nc, H, W) in [-1, 1] to (N, output_nc, H, W) in [-1, 1].

    H and W must be multiples of 4.
    """

    def __init__(self, config: AmmfiConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _trunk(config)
        self.depth = len(self.model)
        self.skips = nn.ModuleList(
            [AttendedSkip(config, config.ngf << level) for level in range(_LEVELS)]
            if config.attention
            else []
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the translated image."""
        (image,) = self.features(x, [self.depth - 1])
        return image

    def features(self, x: Tensor, taps: Sequence[int], *, whole: bool = False) -> list[Tensor]:
        """Return the outputs of the layers ``taps``; see `ResnetGenerator.features`.

        A layer behind which a skip is merged gives its merged output.

        Raises
        ------
        ModelError
            If the taps are not ascending positions of this network.
        """
        require_taps(taps, self.depth)
        found, out = [], x
        for position, out in self._walk(x, self.depth if whole else taps[-1] + 1):
            if position in taps:
                found.append(out)
        return [*found, out] if whole else found

    def _walk(self, x: Tensor, layers: int) -> Iterator[tuple[int, Tensor]]:
        """Yield the first ``layers`` positions of the trunk and their outputs, skips merged."""
        encoded: list[Tensor] = []
        skips = dict(zip(self.config.decoder_ends, self.skips, strict=False))
        for position, layer in enumerate(islice(self.model, layers)):
            x = layer(x)
            if skips and position in self.config.encoder_ends:
                encoded.append(x)
            if position in skips:
                x = skips[position](encoded.pop(), x)
            yield position, x


def _trunk(config: AmmfiConfig) -> nn.Sequential:
    layers = ResnetGenerator(config.trunk).model
    if config.stem == 3:
        bias = config.trunk_norm == "instance"
        first = nn.Conv2d(config.input_nc, config.ngf, 3, bias=bias)
        layers[0] = nn.ReflectionPad2d(1)
        layers[1] = spectral(first) if config.spectral else first
    return layers
