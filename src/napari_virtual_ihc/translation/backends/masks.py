"""Dropout at test time whose masks belong to a place on the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.networks.dropout import dropout_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from napari_virtual_ihc.translation.blocks import Window

_ALGORITHM = "dropout masks/1"


class AnchoredMasks:
    """Draws the dropout of ``network`` from a seed that the window's place alone decides.

    Blocks are anchored to the slide, so a block has the same masks whenever it is computed;
    neighbouring blocks have others. Masks are drawn on the CPU and are the same on every device.
    """

    def __init__(self, network: nn.Module) -> None:
        self._layers = dropout_layers(network)

    def use(self, window: Window, cancelled: Callable[[], bool]) -> None:
        """Prepare the dropout for an input that covers ``window``."""
        seed = int(hash_of(_ALGORITHM, window.y, window.x)[:15], 16)
        source = torch.Generator().manual_seed(seed)
        for layer in self._layers:
            layer.source = source
