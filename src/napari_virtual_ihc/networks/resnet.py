"""The ResNet generator of the CUT and CycleGAN families, in every published layout.

The layer order (and so every checkpoint key ``model.N…``) follows Park et al. 2020 (CUT,
antialiased), Zhu et al. 2017 (CycleGAN, classic) and their mixtures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.blur import Downsample, Upsample
from napari_virtual_ihc.networks.dropout import Dropout
from napari_virtual_ihc.networks.norm import make_norm
from napari_virtual_ihc.networks.padding import ReflectionPad2d
from napari_virtual_ihc.networks.spectral import spectral
from napari_virtual_ihc.networks.tapping import run_tapped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_RANGES = {
    "input_nc": (1, 64),
    "output_nc": (1, 64),
    "ngf": (1, 1024),
    "n_blocks": (0, 64),
    "n_downsampling": (1, 6),
}


@dataclass(frozen=True)
class ResnetConfig:
    """Shape of a `ResnetGenerator`.

    Attributes
    ----------
    ngf
        Channels after the first convolution; each of the ``n_downsampling`` steps doubles them.
    n_blocks
        Residual blocks (published: 4, 6, 9).
    norm
        ``instance`` (convolutions have a bias) or ``batch`` (they have none).
    dropout
        Probability inside residual blocks; above 0 it shifts the second convolution's key to 6.
    antialias, antialias_up
        Blur-downsample and blur-upsample instead of strided and transposed convolutions.
    spectral
        Every convolution under spectral normalisation (training only; folded for inference).
    """

    input_nc: int = 3
    output_nc: int = 3
    ngf: int = 64
    n_blocks: int = 6
    n_downsampling: int = 2
    norm: Literal["instance", "batch"] = "instance"
    dropout: float = 0.0
    antialias: bool = True
    antialias_up: bool = True
    spectral: bool = False

    def __post_init__(self) -> None:
        """Refuse a shape that no network can have."""
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ModelError(f"Generator argument {name!r} must lie in {low} … {high}.")
        if not 0 <= self.dropout < 1:
            raise ModelError("Generator argument 'dropout' must lie in 0 … 1.")
        if self.norm not in ("instance", "batch"):
            raise ModelError(f"Generator norm {self.norm!r} is neither 'instance' nor 'batch'.")

    @property
    def stride(self) -> int:
        """Sides of an image must be multiples of this."""
        return 1 << self.n_downsampling

    @property
    def bottleneck(self) -> int:
        """Channels of the residual blocks."""
        return int(self.ngf * 2**self.n_downsampling)


class ResidualBlock(nn.Module):
    """x + conv_block(x), no activation after the sum; (N, C, H, W) in and out."""

    def __init__(self, conv_block: nn.Sequential) -> None:
        super().__init__()
        self.conv_block = conv_block

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out: Tensor = x + self.conv_block(x)
        return out


class ResnetGenerator(nn.Module):
    """Translate (N, input_nc, H, W) in [-1, 1] to (N, output_nc, H, W) in [-1, 1].

    H and W must be multiples of 2**n_downsampling.
    """

    def __init__(self, config: ResnetConfig) -> None:
        super().__init__()
        self.config = config
        self.model = nn.Sequential(*_layers(config))

    def forward(self, x: Tensor) -> Tensor:
        """Return the translated image."""
        out: Tensor = self.model(x)
        return out

    def features(
        self,
        x: Tensor,
        taps: Sequence[int],
        *,
        whole: bool = False,
        added: Mapping[int, Tensor] | None = None,
    ) -> list[Tensor]:
        """Return the outputs of the layers ``taps`` (ascending positions in ``model``).

        With ``whole`` the network runs to its end and its image is appended as the last item;
        ``added`` is summed onto the outputs of the layers it names, as VSMT guides a generator.

        Raises
        ------
        ModelError
            If the taps are not ascending positions of this network, or ``added`` names others.
        """
        return run_tapped(self.model, x, taps, whole=whole, added=added)


def tap_channels(config: ResnetConfig, taps: Sequence[int]) -> tuple[int, ...]:
    """Return the channels of each layer in ``taps``, known without running the network."""
    channels, widths = config.input_nc, []
    with torch.device("meta"):
        layers = _layers(replace(config, spectral=False))
    for layer in layers:
        channels = int(getattr(layer, "out_channels", channels))
        widths.append(channels)
    return tuple(widths[tap] for tap in taps)


def _layers(config: ResnetConfig) -> list[nn.Module]:
    layers = _stem(config)
    for step in range(config.n_downsampling):
        layers += _down(config, config.ngf * 2**step)
    layers += [_residual_block(config) for _ in range(config.n_blocks)]
    for step in reversed(range(config.n_downsampling)):
        layers += _up(config, config.ngf * 2**step)
    last = _wrapped(config, nn.Conv2d(config.ngf, config.output_nc, 7))
    return [*layers, ReflectionPad2d(3), last, nn.Tanh()]


def _stem(config: ResnetConfig) -> list[nn.Module]:
    first = nn.Conv2d(config.input_nc, config.ngf, 7, bias=_bias(config))
    return [ReflectionPad2d(3), _wrapped(config, first), *_norm_relu(config, config.ngf)]


def _down(config: ResnetConfig, width: int) -> list[nn.Module]:
    stride = 1 if config.antialias else 2
    conv = nn.Conv2d(width, 2 * width, 3, stride=stride, padding=1, bias=_bias(config))
    layers = [_wrapped(config, conv), *_norm_relu(config, 2 * width)]
    return [*layers, Downsample(2 * width)] if config.antialias else layers


def _up(config: ResnetConfig, width: int) -> list[nn.Module]:
    bias = _bias(config)
    if config.antialias_up:
        conv: nn.Module = nn.Conv2d(2 * width, width, 3, padding=1, bias=bias)
        return [Upsample(2 * width), _wrapped(config, conv), *_norm_relu(config, width)]
    conv = nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1, bias=bias)
    return [_wrapped(config, conv), *_norm_relu(config, width)]


def _residual_block(config: ResnetConfig) -> ResidualBlock:
    width, bias = config.bottleneck, _bias(config)

    def conv() -> list[nn.Module]:
        inner = _wrapped(config, nn.Conv2d(width, width, 3, bias=bias))
        return [ReflectionPad2d(1), inner, make_norm(config.norm, width)]

    dropout = [Dropout(config.dropout)] if config.dropout else []
    return ResidualBlock(nn.Sequential(*conv(), nn.ReLU(inplace=True), *dropout, *conv()))


def _norm_relu(config: ResnetConfig, width: int) -> list[nn.Module]:
    return [make_norm(config.norm, width), nn.ReLU(inplace=True)]


def _bias(config: ResnetConfig) -> bool:
    return config.norm == "instance"


def _wrapped(config: ResnetConfig, conv: nn.Module) -> nn.Module:
    return spectral(conv) if config.spectral else conv
