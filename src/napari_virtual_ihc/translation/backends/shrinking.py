"""A folded ResNet generator that computes only what is kept: padding-free, margin in, core out.

A forward of an exact model discards a margin of at least its dependency radius, so what the network
pads at its borders never reaches a pixel that is kept. Without padding every layer computes a
little less than the one before, and the last one exactly the core: the same sums for the same
pixels, fewer of them, and no copies for reflection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.blur import BilinearUpsample, BoxDownsample
from napari_virtual_ihc.networks.resnet import ResidualBlock

if TYPE_CHECKING:
    from collections.abc import Iterable

_Edges = tuple[int, int]
_PHASES = ((0, 0, 1), (1, 0, 2), (1, 1, 0))


class Crop(nn.Module):
    """Drop ``edges`` = (first, last) rows and as many columns of (N, C, H, W)."""

    def __init__(self, edges: _Edges) -> None:
        super().__init__()
        self.edges = edges

    def forward(self, x: Tensor) -> Tensor:
        """Return the inner part."""
        first, last = self.edges
        height, width = x.shape[2] - last, x.shape[3] - last
        return x[:, :, first:height, first:width]


class BoxHalving(nn.Module):
    """[1, 2, 1] ⊗ [1, 2, 1] / 16 with stride 2 and no padding."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, (H - 1) // 2, (W - 1) // 2)."""
        return F.avg_pool2d(F.avg_pool2d(x, kernel_size=2, stride=1), kernel_size=2, stride=2)


class ShrinkingBlock(nn.Module):
    """The inner part of x, plus body(x): a residual block without padding."""

    def __init__(self, body: nn.Sequential, crop: Crop) -> None:
        super().__init__()
        self.body = body
        self.crop = crop

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, smaller by the reach of its convolutions."""
        out: Tensor = self.body(x)
        return out.add_(self.crop(x))


class SubpixelDoubling(nn.Module):
    """A transposed 3×3 convolution of stride 2 as a 2×2 convolution and a pixel shuffle.

    Its sums, unlike those of torch's transposed convolution, do not depend on the forward's size.
    Position 2i takes kernel element 1 at i; position 2i + 1 takes 2 at i and 0 at i + 1.
    """

    def __init__(self, transposed: nn.ConvTranspose2d) -> None:
        super().__init__()
        inner, outer = transposed.in_channels, transposed.out_channels
        kernel = transposed.weight.detach()
        weight = kernel.new_zeros(outer, 2, 2, inner, 2, 2)
        for dy, i, ky in _PHASES:
            for dx, j, kx in _PHASES:
                weight[:, dy, dx, :, i, j] = kernel[:, :, ky, kx].T
        with torch.device("meta"):
            self.conv = nn.Conv2d(inner, 4 * outer, 2)
        self.conv.weight = nn.Parameter(weight.reshape(4 * outer, inner, 2, 2))
        assert transposed.bias is not None
        self.conv.bias = nn.Parameter(transposed.bias.detach().repeat_interleave(4))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, 2H, 2W), of which the last row and column are border."""
        return F.pixel_shuffle(self.conv(F.pad(x, (0, 1, 0, 1))), 2)


class _Builder:
    """Follows which positions each layer holds, counted from both ends of the forward.

    ``held`` are the positions missing at either end at the present resolution, ``wrong`` the ones
    held but spoilt by a border.
    """

    def __init__(self) -> None:
        self.layers: list[nn.Module] = []
        self.held = (0, 0)
        self.wrong = (0, 0)

    def add(self, layers: Iterable[nn.Module]) -> None:
        for layer in layers:
            self._add(layer)

    def crop(self, edges: _Edges) -> None:
        if any(edges):
            self.layers.append(Crop(edges))
        self.held = _plus(self.held, edges)
        self.wrong = (max(self.wrong[0] - edges[0], 0), max(self.wrong[1] - edges[1], 0))

    def _add(self, layer: nn.Module) -> None:
        if isinstance(layer, nn.ReflectionPad2d):
            return
        if isinstance(layer, nn.Conv2d):
            self._conv(layer)
        elif isinstance(layer, BoxDownsample):
            self._halve(BoxHalving())
        elif isinstance(layer, BilinearUpsample):
            self._double(layer, (1, 1))
        elif isinstance(layer, nn.ConvTranspose2d):
            self._double(SubpixelDoubling(layer), (0, 1))
        elif isinstance(layer, ResidualBlock):
            self._residual(layer)
        elif isinstance(layer, nn.ReLU | nn.Tanh):
            self.layers.append(layer)
        else:
            raise ModelError(f"Layer {type(layer).__name__} cannot run without padding.")

    def _conv(self, conv: nn.Conv2d) -> None:
        bare = _without_padding(conv)
        if conv.stride == (2, 2):
            self._halve(bare)
            return
        reach = conv.kernel_size[0] // 2
        self.layers.append(bare)
        self.held = _plus(self.held, (reach, reach))

    def _halve(self, layer: nn.Module) -> None:
        self._drop_wrong()
        first, last = self.held
        start, stop = -(-(first + 1) // 2), -(-last // 2)
        self.crop((2 * start - 1 - first, 2 * stop - last))
        self.layers.append(layer)
        self.held = (start, stop)

    def _double(self, layer: nn.Module, spoilt: _Edges) -> None:
        self.layers.append(layer)
        self.held = _plus(self.held, self.held)
        self.wrong = _plus(_plus(self.wrong, self.wrong), spoilt)

    def _residual(self, block: ResidualBlock) -> None:
        self._drop_wrong()
        inner = _Builder()
        inner.add(block.conv_block)
        self.layers.append(ShrinkingBlock(nn.Sequential(*inner.layers), Crop(inner.held)))
        self.held = _plus(self.held, inner.held)

    def _drop_wrong(self) -> None:
        self.crop(self.wrong)


def shrinking(folded: nn.Module, margin: int) -> nn.Sequential:
    """Return ``folded`` (of `fold_statistics`, a ResNet) from (…, H, W) to (…, H - 2m, W - 2m).

    Parameters
    ----------
    margin
        m, a multiple of the network's stride and at least its dependency radius.

    Raises
    ------
    ModelError
        If the margin is too small, or a layer is none of a ResNet generator.
    """
    builder = _Builder()
    builder.add(folded.children())
    lost = _plus(builder.held, builder.wrong)
    if max(lost) > margin:
        raise ModelError(f"A margin of {margin} px is smaller than the network's {max(lost)} px.")
    builder.crop((margin - builder.held[0], margin - builder.held[1]))
    return nn.Sequential(*builder.layers).eval().requires_grad_(False)


def _plus(a: _Edges, b: _Edges) -> _Edges:
    return a[0] + b[0], a[1] + b[1]


def _without_padding(conv: nn.Conv2d) -> nn.Conv2d:
    with torch.device("meta"):
        bare = nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            (conv.kernel_size[0], conv.kernel_size[1]),
            (conv.stride[0], conv.stride[1]),
        )
    bare.weight = conv.weight
    bare.bias = conv.bias
    return bare
