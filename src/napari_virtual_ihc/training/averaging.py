"""The moving average of a network's weights, which is smoother than the last of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


class Average:
    """a ← d · a + (1 − d) · w after every step, from the weights w of the first step on.

    Buffers (batch-norm statistics, the vectors of spectral normalisation) are the present ones.

    Parameters
    ----------
    network
        Whose weights are averaged; on its device.
    decay
        d, 0 to 1.

    Attributes
    ----------
    tensors
        The averaged state dict.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network = network
        self._decay = decay
        self.tensors: dict[str, Tensor] = {}
        self.start()

    def start(self) -> None:
        """Begin anew from the present weights."""
        self.tensors = {k: v.detach().clone() for k, v in self._network.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take an average kept before; on the network's device from now on."""
        for key, value in self.tensors.items():
            value.copy_(tensors[key])

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights of one more step in."""
        weights = {name for name, _ in self._network.named_parameters()}
        for key, value in self._network.state_dict().items():
            if key in weights:
                self.tensors[key].lerp_(value, 1 - self._decay)
            else:
                self.tensors[key].copy_(value)
