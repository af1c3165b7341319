"""A folded network as an OpenVINO graph, layer by layer, without tracing."""

from __future__ import annotations

from typing import Any

import numpy as np
from openvino import Model, Node
from openvino import opset13 as ops
from torch import nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.blur import BilinearUpsample
from napari_virtual_ihc.networks.unet import SkipBlock
from napari_virtual_ihc.translation.backends.shrinking import (
    BoxHalving,
    Crop,
    ShrinkingBlock,
    SubpixelDoubling,
)

_SPATIAL = np.array([2, 3], np.int64)


def graph_of(network: nn.Module, shape: tuple[int, int, int, int]) -> Model:
    """Return ``network`` for float32 input of ``shape`` (N, C, H, W).

    Parameters
    ----------
    network
        Of `shrinking`, or a folded U-Net.

    Raises
    ------
    ModelError
        If a layer has no counterpart here.
    """
    start = ops.parameter(list(shape), np.float32, name="pixels")
    return Model([ops.result(_add(network, start))], [start], "generator")


def _add(layer: nn.Module, x: Node) -> Node:
    if isinstance(layer, nn.Sequential):
        for part in layer:
            x = _add(part, x)
        return x
    if isinstance(layer, ShrinkingBlock):
        return ops.add(_add(layer.body, x), _add(layer.crop, x))
    if isinstance(layer, SkipBlock):
        inner = _add(layer.model, x)
        return inner if layer.outermost else ops.concat([x, inner], axis=1)
    if isinstance(layer, SubpixelDoubling):
        return ops.depth_to_space(_convolution(layer.conv, x, after=1), "depth_first", 2)
    return _simple(layer, x)


def _simple(layer: nn.Module, x: Node) -> Node:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return _convolution(layer, x)
    if isinstance(layer, nn.ReLU):
        return ops.relu(x)
    if isinstance(layer, nn.LeakyReLU):
        return ops.prelu(x, _constant(np.array([layer.negative_slope], np.float32)))
    if isinstance(layer, nn.Tanh):
        return ops.tanh(x)
    if isinstance(layer, Crop):
        return _crop(layer.edges, x)
    if isinstance(layer, BoxHalving):
        return _box_halving(x)
    if isinstance(layer, BilinearUpsample):
        return _doubled(x)
    raise ModelError(f"Layer {type(layer).__name__} has no OpenVINO counterpart; use torch.")


def _convolution(layer: nn.Conv2d | nn.ConvTranspose2d, x: Node, after: int = 0) -> Node:
    """Return the convolution, with ``after`` rows and columns of zeros appended to its input."""
    stride, padding = list(layer.stride), [int(side) for side in layer.padding]
    weight = _constant(layer.weight.detach().cpu().numpy())
    if isinstance(layer, nn.Conv2d):
        end = [side + after for side in padding]
        out = ops.convolution(x, weight, stride, padding, end, [1, 1])
    else:
        extra = list(layer.output_padding)
        out = ops.convolution_backprop_data(
            x, weight, stride, None, padding, padding, [1, 1], None, extra
        )
    if layer.bias is None:
        return out
    return ops.add(out, _constant(layer.bias.detach().cpu().numpy().reshape(1, -1, 1, 1)))


def _crop(edges: tuple[int, int], x: Node) -> Node:
    height, width = list(x.get_output_shape(0))[2:]
    start = np.array([edges[0], edges[0]], np.int64)
    stop = np.array([height - edges[1], width - edges[1]], np.int64)
    return ops.slice(x, start, stop, np.array([1, 1], np.int64), _SPATIAL)


def _box_halving(x: Node) -> Node:
    """Return the depthwise [1, 2, 1] ⊗ [1, 2, 1] / 16 of stride 2 in one pass."""
    channels = x.get_output_shape(0)[1]
    line = np.array([1, 2, 1], np.float32)
    kernel = np.broadcast_to(np.outer(line, line) / 16, (channels, 1, 1, 3, 3)).copy()
    return ops.group_convolution(x, _constant(kernel), [2, 2], [0, 0], [0, 0], [1, 1])


def _doubled(x: Node) -> Node:
    twice = np.array([2.0, 2.0], np.float32)
    return ops.interpolate(
        x, twice, "linear_onnx", "scales",
        coordinate_transformation_mode="half_pixel", axes=_constant(_SPATIAL),
    )  # fmt: skip


def _constant(value: Any) -> Node:
    return ops.constant(value)
