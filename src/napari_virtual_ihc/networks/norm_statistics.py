"""The norms of a whole network together: their statistics frozen, pooled, watched, or kept."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.norm import FreezableInstanceNorm, LayerStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from napari_virtual_ihc.networks.norm import Observer


def norm_layers(network: nn.Module) -> dict[str, FreezableInstanceNorm]:
    """Return the freezable norms of ``network`` by qualified name, in module order."""
    return {n: m for n, m in network.named_modules() if isinstance(m, FreezableInstanceNorm)}


def freeze_statistics(network: nn.Module, statistics: Mapping[str, LayerStatistics]) -> None:
    """Freeze every instance norm of ``network``.

    Raises
    ------
    ModelError
        If the names in ``statistics`` are not exactly those of the network's norms.
    """
    layers = norm_layers(network)
    require_same_names(layers, statistics)
    for name, layer in layers.items():
        layer.freeze(statistics[name])


def thaw_statistics(network: nn.Module) -> None:
    """Give every instance norm of ``network`` its live statistics back."""
    for layer in norm_layers(network).values():
        layer.thaw()


def require_same_names(
    layers: Mapping[str, nn.Module], statistics: Mapping[str, LayerStatistics]
) -> None:
    """Raise ModelError unless ``statistics`` names exactly the norms in ``layers``."""
    if wrong := sorted(set(layers) ^ set(statistics)):
        raise ModelError(
            f"Statistics do not fit the network: norm {wrong[0]!r} is on one side only."
        )


@torch.inference_mode()
def pooled_statistics(network: nn.Module, batch: Tensor) -> dict[str, LayerStatistics]:
    """Return each norm's statistics when all of ``batch`` is normalised together, layer by layer.

    Parameters
    ----------
    network
        Put back to its live statistics afterwards.
    batch
        (N, C, H, W) tiles in [-1, 1].
    """
    layers = norm_layers(network)
    for layer in layers.values():
        layer.pool()
    try:
        network(batch)
        return {
            name: LayerStatistics(layer.frozen_mean.clone(), layer.frozen_var.clone())
            for name, layer in layers.items()
        }
    finally:
        thaw_statistics(network)


@contextmanager
def observing(
    network: nn.Module, observer: Callable[[str, Tensor, Tensor, int], None]
) -> Iterator[None]:
    """Tell ``observer`` (name, mean, variance, positions) of every norm while the context lasts."""

    def bound(name: str) -> Observer:
        return lambda mean, var, count: observer(name, mean, var, count)

    layers = norm_layers(network)
    for name, layer in layers.items():
        layer.observer = bound(name)
    try:
        yield
    finally:
        for layer in layers.values():
            layer.observer = None


@contextmanager
def averages_kept(network: nn.Module) -> Iterator[None]:
    """Let the running averages of every BatchNorm stay as they are while the context lasts."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
