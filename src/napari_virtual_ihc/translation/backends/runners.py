"""From a model and its statistics to something that translates windows of a slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch
from torch import nn

from napari_virtual_ihc.networks.as_tested import as_tested
from napari_virtual_ihc.networks.folding import fold_statistics
from napari_virtual_ihc.networks.norm import LayerStatistics
from napari_virtual_ihc.networks.norm_statistics import freeze_statistics
from napari_virtual_ihc.translation.backends.dense import DenseAnchors
from napari_virtual_ihc.translation.backends.masks import AnchoredMasks
from napari_virtual_ihc.translation.backends.shrinking import shrinking
from napari_virtual_ihc.translation.backends.torch_backend import TorchBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.networks.folding import Generator
    from napari_virtual_ihc.translation.backends.base import Backend, Bytes
    from napari_virtual_ihc.translation.backends.choose import Choice
    from napari_virtual_ihc.translation.blocks import Window
    from napari_virtual_ihc.translation.calibration import Statistics


class Anchors(Protocol):
    """What of a network depends on where its input lies."""

    def use(self, window: Window, cancelled: Callable[[], bool]) -> None:
        """Prepare the network for an input that covers ``window``."""
        ...


@dataclass
class NetworkRunner:
    """A backend whose output is cropped by ``cut`` px to the core.

    Attributes
    ----------
    divisible
        See `forwards.Runner`.
    anchors
        Where given, told the input's place before each forward: statistics mapped per pixel, or
        dropout masks.
    margin
        Pixels around the core in the input.
    """

    backend: Backend
    margin: int
    cut: int
    divisible: bool
    anchors: Anchors | None = None

    def __call__(self, pixels: Bytes, core: Window, cancelled: Callable[[], bool]) -> Bytes:
        """Return the core, (h, w, 3) uint8."""
        if self.anchors is not None:
            self.anchors.use(core.grown(self.margin), cancelled)
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
        image = self.backend.run(batch, cancelled=cancelled)[0]
        inner = image[:, self.cut : self.cut + core.h, self.cut : self.cut + core.w]
        return np.ascontiguousarray(inner.transpose(1, 2, 0))

    def release(self) -> None:
        """Give the backend's cached memory back."""
        self.backend.release()


def folded_network(model: Model, statistics: Statistics | None) -> nn.Module:
    """Return the model's network with norms folded into its convolutions."""
    return fold_statistics(cast("Generator", model.network()), _layers(statistics))


def folded_runner(
    model: Model, statistics: Statistics | None, choice: Choice, margin: int, *, exact: bool
) -> NetworkRunner:
    """Return a runner of the folded network: padding-free where exact, else cropped."""
    network = folded_network(model, statistics)
    if exact:
        network = shrinking(network, margin)
    backend = _backend(network, choice)
    return NetworkRunner(backend, margin, 0 if exact else margin, divisible=exact)


def frozen_runner(
    model: Model, statistics: Statistics | None, choice: Choice, margin: int
) -> NetworkRunner:
    """Return a runner of the network as it is, its norms frozen: where they cannot be folded.

    Statistics stay float32 in whatever precision the network runs.
    """
    network = model.network()
    backend = _torch(network, choice)
    freeze_statistics(network, _layers(statistics))
    return NetworkRunner(backend, margin, margin, divisible=False)


def _layers(statistics: Statistics | None) -> dict[str, LayerStatistics]:
    return {
        name: LayerStatistics(torch.from_numpy(mean.copy()), torch.from_numpy(var.copy()))
        for name, (mean, var) in (statistics.layers if statistics else {}).items()
    }


def live_runner(model: Model, choice: Choice) -> NetworkRunner:
    """Return a runner whose norms take the statistics of each forward, without margin."""
    return NetworkRunner(_torch(model.network(), choice), 0, 0, divisible=False)


def tested_runner(model: Model, choice: Choice, margin: int) -> NetworkRunner:
    """Return a runner of the network as its public code tests it: norms live, dropout active."""
    network = as_tested(model.network())
    backend = _torch(network, choice)
    return NetworkRunner(backend, margin, margin, divisible=False, anchors=AnchoredMasks(network))


def dense_runner(
    model: Model, statistics: Statistics, choice: Choice, margin: int,
    read: Callable[[int, int], Bytes | None], shape: tuple[int, int], tile: int,
) -> NetworkRunner:  # fmt: skip
    """Return a runner whose norms are mapped between the statistics of tiles."""
    network = model.network()
    backend = _torch(network, choice)
    anchors = DenseAnchors(network, read, statistics.layers, shape, tile, choice.device)
    return NetworkRunner(backend, margin, margin, divisible=False, anchors=anchors)


def _backend(network: nn.Module, choice: Choice) -> Backend:
    if choice.backend == "openvino":
        from napari_virtual_ihc.translation.backends.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(network, choice.precision)
    return _torch(network, choice)


def _torch(network: nn.Module, choice: Choice) -> TorchBackend:
    return TorchBackend(network, choice.device, choice.precision)
