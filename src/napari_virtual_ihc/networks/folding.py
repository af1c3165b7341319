"""A generator with frozen statistics as one plain network: norms folded into convolutions.

With mean and variance fixed, convolution followed by normalisation is one convolution, and the blur
filters are box filters and bilinear doubling. Both rewritings are exact up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from napari_virtual_ihc.networks.blur import plain_equivalent
from napari_virtual_ihc.networks.norm import FreezableInstanceNorm, LayerStatistics
from napari_virtual_ihc.networks.norm_statistics import norm_layers, require_same_names
from napari_virtual_ihc.networks.resnet import ResidualBlock, ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.spectral import (
    SpectralConv2d,
    SpectralConvTranspose2d,
    with_parameters,
)
from napari_virtual_ihc.networks.unet import SkipBlock, UnetConfig, UnetGenerator

if TYPE_CHECKING:
    from collections.abc import Mapping

Generator = ResnetGenerator | UnetGenerator
FOLDABLE = (ResnetConfig, UnetConfig)
"""Shapes of the networks that `fold_statistics` takes; others run as they are, norms frozen."""
_PlainConv = nn.Conv2d | nn.ConvTranspose2d
_Affine = tuple[Tensor, Tensor]
_Pair = tuple[int, int]


def fold_statistics(
    generator: Generator, statistics: Mapping[str, LayerStatistics] | None = None
) -> nn.Module:
    """Return ``generator`` in eval mode as convolutions, activations, pads and resampling only.

    Parameters
    ----------
    generator
        Left as it is; its tensors are copied where they change.
    statistics
        One entry per instance norm, by qualified name; empty or None for BatchNorm networks.

    Returns
    -------
    A module with the generator's input and output, without dropout, spectral norm or any norm.

    Raises
    ------
    ModelError
        If ``statistics`` does not name exactly the instance norms of ``generator``.
    """
    frozen = dict(statistics or {})
    require_same_names(norm_layers(generator), frozen)
    with torch.no_grad():
        if isinstance(generator, UnetGenerator):
            folded: nn.Module = _fold(generator.model, "model", frozen)
        else:
            folded = _fold_sequence(generator.model, "model", frozen)
    return folded.eval().requires_grad_(False)


def fold_spectral(generator: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of the same network without spectral normalisation (stored u, v)."""
    state = dict(generator.state_dict())
    for name, module in generator.named_modules():
        if isinstance(module, SpectralConv2d | SpectralConvTranspose2d):
            for suffix in ("weight_orig", "weight_u", "weight_v"):
                del state[f"{name}.{suffix}"]
            state[f"{name}.weight"] = module.folded().weight.detach()
    return state


def _fold_sequence(
    layers: nn.Sequential, prefix: str, frozen: Mapping[str, LayerStatistics]
) -> nn.Sequential:
    folded: list[nn.Module] = []
    for name, layer in layers.named_children():
        affine = _affine(layer, frozen.get(f"{prefix}.{name}"))
        if affine is not None:
            folded[-1] = _scaled(cast("_PlainConv", folded[-1]), affine)
        elif not isinstance(layer, nn.Dropout | nn.Identity):
            folded.append(_fold(layer, f"{prefix}.{name}", frozen))
    return nn.Sequential(*folded)


def _fold(layer: nn.Module, prefix: str, frozen: Mapping[str, LayerStatistics]) -> nn.Module:
    if isinstance(layer, ResidualBlock):
        return ResidualBlock(_fold_sequence(layer.conv_block, f"{prefix}.conv_block", frozen))
    if isinstance(layer, SkipBlock):
        inner = _fold_sequence(layer.model, f"{prefix}.model", frozen)
        return SkipBlock(inner, outermost=layer.outermost)
    if isinstance(layer, SpectralConv2d | SpectralConvTranspose2d):
        return layer.folded()
    return plain_equivalent(layer)


def _affine(layer: nn.Module, frozen: LayerStatistics | None) -> _Affine | None:
    if isinstance(layer, FreezableInstanceNorm):
        assert frozen is not None
        scale = torch.rsqrt(frozen.var.double() + layer.eps)
        return scale, -frozen.mean.double() * scale
    if isinstance(layer, nn.BatchNorm2d):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        scale = layer.weight.double() * torch.rsqrt(layer.running_var.double() + layer.eps)
        return scale, layer.bias.double() - layer.running_mean.double() * scale
    return None


def _scaled(conv: _PlainConv, affine: _Affine) -> _PlainConv:
    scale, shift = (value.to(conv.weight.device) for value in affine)
    shape = [1, 1, 1, 1]
    shape[1 if isinstance(conv, nn.ConvTranspose2d) else 0] = -1
    weight = (conv.weight.double() * scale.view(shape)).float()
    bias = shift if conv.bias is None else conv.bias.double() * scale + shift
    return _like(conv, weight, bias.float())


def _like(conv: _PlainConv, weight: Tensor, bias: Tensor) -> _PlainConv:
    channels = conv.in_channels, conv.out_channels
    window = cast("tuple[_Pair, _Pair, _Pair]", (conv.kernel_size, conv.stride, conv.padding))
    with torch.device("meta"):
        if isinstance(conv, nn.Conv2d):
            return with_parameters(nn.Conv2d(*channels, *window), weight, bias)
        extra = cast("_Pair", conv.output_padding)
        return with_parameters(nn.ConvTranspose2d(*channels, *window, extra), weight, bias)
