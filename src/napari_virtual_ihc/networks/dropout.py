"""Dropout whose masks can be drawn from a given source, so that they can be drawn again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Dropout(nn.Dropout):
    """torch's dropout; while it has a ``source``, active in eval mode too, its masks from there.

    Masks are drawn in the order of the forward, on the source's device, one value per feature:
    the same state of the source and the same shapes give the same masks on every device.
    """

    source: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with a share p of its values 0 and the others scaled by 1 / (1 - p)."""
        if self.source is None:
            return super().forward(x)
        mask = torch.empty(x.shape, device=self.source.device)
        mask.bernoulli_(1 - self.p, generator=self.source)
        return x * mask.to(x).div_(1 - self.p)


def dropout_layers(network: nn.Module) -> list[Dropout]:
    """Return the dropout layers of ``network`` in module order."""
    return [module for module in network.modules() if isinstance(module, Dropout)]


@contextmanager
def drawing_from(network: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """Let the dropout of ``network`` draw from a source seeded by one draw of ``generator``.

    The source lies on the device of the network's weights, so that no mask is moved.
    """
    layers = dropout_layers(network)
    if layers:
        seed = int(torch.randint(1 << 62, (), generator=generator))
        place = next(network.parameters()).device
        source = torch.Generator(place).manual_seed(seed)
    for layer in layers:
        layer.source = source
    try:
        yield
    finally:
        for layer in layers:
            layer.source = None
