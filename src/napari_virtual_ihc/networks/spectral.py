"""Spectral normalisation as ASP-family checkpoints store it, and its folding.

Keys of a layer X: ``X.weight_orig`` (parameter), ``X.weight_u``, ``X.weight_v`` (buffers), and
``X.bias``. One power iteration per train-mode forward, none in eval mode (Miyato et al. 2018).
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPS = 1e-12
_Conv = TypeVar("_Conv", nn.Conv2d, nn.ConvTranspose2d)


def as_matrix(weight: Tensor, out_axis: int = 0) -> Tensor:
    """Return ``weight`` as (out channels, rest); ``out_axis`` is 1 for transposed convolutions."""
    return weight.movedim(out_axis, 0).flatten(1)


def folded_weight(weight: Tensor, u: Tensor, v: Tensor, out_axis: int = 0) -> Tensor:
    """Return weight / σ with σ = uᵀ W v for the stored ``u`` (out,) and ``v`` (rest,)."""
    return weight / torch.dot(u, as_matrix(weight, out_axis) @ v)


class _Spectral(nn.Module):
    """The state and power iteration that spectral convolutions share."""

    out_axis = 0
    bias: nn.Parameter | None
    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.stride, self.padding = _pair(conv.stride), _pair(conv.padding)
        self.register_parameter("bias", None if conv.bias is None else nn.Parameter(conv.bias))
        self.weight_orig = nn.Parameter(conv.weight)
        rows, columns = as_matrix(conv.weight, self.out_axis).shape
        self.register_buffer("weight_u", F.normalize(conv.weight.new_empty(rows).normal_(), dim=0))
        self.register_buffer(
            "weight_v", F.normalize(conv.weight.new_empty(columns).normal_(), dim=0)
        )

    @torch.no_grad()
    def _iterate(self) -> None:
        matrix = as_matrix(self.weight_orig, self.out_axis)
        self.weight_v.copy_(F.normalize(matrix.T @ self.weight_u, dim=0, eps=_EPS))
        self.weight_u.copy_(F.normalize(matrix @ self.weight_v, dim=0, eps=_EPS))

    def effective_weight(self) -> Tensor:
        """Return the normalised weight, autocast or not; in train mode after one iteration."""
        with torch.autocast(self.weight_orig.device.type, enabled=False):
            if self.training:
                self._iterate()
            u, v = self.weight_u.clone(), self.weight_v.clone()
            return folded_weight(self.weight_orig, u, v, self.out_axis)


class SpectralConv2d(_Spectral):
    """A Conv2d under spectral normalisation; takes over the parameters of ``conv``."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (N, C, H, W)."""
        return F.conv2d(x, self.effective_weight(), self.bias, self.stride, self.padding)

    def folded(self) -> nn.Conv2d:
        """Return the plain convolution of the eval-mode weight."""
        weight = folded_weight(self.weight_orig, self.weight_u, self.weight_v)
        out_channels, in_channels, height, width = weight.shape
        kernel = (height, width)
        with torch.device("meta"):
            plain = nn.Conv2d(in_channels, out_channels, kernel, self.stride, self.padding)
        return with_parameters(plain, weight, self.bias)


class SpectralConvTranspose2d(_Spectral):
    """A ConvTranspose2d under spectral normalisation; takes over the parameters of ``conv``."""

    out_axis = 1

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__(conv)
        self.output_padding = _pair(conv.output_padding)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (N, C, H, W)."""
        weight = self.effective_weight()
        return F.conv_transpose2d(
            x, weight, self.bias, self.stride, self.padding, self.output_padding
        )

    def folded(self) -> nn.ConvTranspose2d:
        """Return the plain transposed convolution of the eval-mode weight."""
        weight = folded_weight(self.weight_orig, self.weight_u, self.weight_v, self.out_axis)
        in_channels, out_channels, height, width = weight.shape
        kernel = (height, width)
        extra = self.output_padding
        with torch.device("meta"):
            plain = nn.ConvTranspose2d(
                in_channels, out_channels, kernel, self.stride, self.padding, extra
            )
        return with_parameters(plain, weight, self.bias)


def with_parameters(conv: _Conv, weight: Tensor, bias: Tensor | None) -> _Conv:
    """Return ``conv`` holding ``weight`` and ``bias`` (no bias where None), without gradients."""
    conv.weight = nn.Parameter(weight.detach(), requires_grad=False)
    held = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
    conv.register_parameter("bias", held)
    return conv


def spectral(conv: nn.Module) -> nn.Module:
    """Return ``conv`` under spectral normalisation."""
    if isinstance(conv, nn.ConvTranspose2d):
        return SpectralConvTranspose2d(conv)
    assert isinstance(conv, nn.Conv2d)
    return SpectralConv2d(conv)


def _pair(value: int | str | tuple[int, ...]) -> tuple[int, int]:
    assert isinstance(value, tuple)
    first, second = value
    return first, second
