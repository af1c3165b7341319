"""Dropout whose masks can be drawn from a given source, so that they can be drawn again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = 1 << 15
"""How many integers from 0 a mask's draws are among; drawn far faster than real numbers."""

Share = tuple[int, int, int]
"""Place of the first picture in the whole batch, pictures here, pictures in the whole batch."""


class Dropout(nn.Dropout):
    """torch's dropout; while it has a ``source``, active in eval mode too, its masks from there.

    Masks are drawn in the order of the forward, on the source's device, one value per feature:
    the same state of the source and the same shapes give the same masks on every device. With a
    ``share`` they are drawn for a whole batch, of which x has some pictures (or several versions
    of each of these), so that a picture's mask does not depend on who shares the batch.
    """

    source: torch.Generator | None = None
    share: Share | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with a share p of its values 0 and the others scaled by 1 / (1 - p)."""
        if self.source is None:
            return super().forward(x)
        first, here, whole = self.share or (0, len(x), len(x))
        shape = (len(x) // here, whole, *x.shape[1:])
        numbers = torch.empty(shape, dtype=torch.int16, device=self.source.device)
        drawn = numbers.random_(generator=self.source)[:, first : first + here].reshape(x.shape)
        kept = drawn >= round(self.p * _NUMBERS)
        return x * kept.to(x).div_(1 - self.p)


def dropout_layers(network: nn.Module) -> list[Dropout]:
    """Return the dropout layers of ``network`` in module order."""
    return [module for module in network.modules() if isinstance(module, Dropout)]


@contextmanager
def drawing_from(
    network: nn.Module, generator: torch.Generator, share: Share | None = None
) -> Iterator[None]:
    """Let the dropout of ``network`` draw from a source seeded by one draw of ``generator``.

    The source lies on the device of the network's weights, so that no mask is moved. ``share``
    says which pictures of a batch the network is shown, where several processes share one.
    """
    layers = dropout_layers(network)
    if layers:
        seed = int(torch.randint(1 << 62, (), generator=generator))
        place = next(network.parameters()).device
        source = torch.Generator(place).manual_seed(seed)
    for layer in layers:
        layer.source, layer.share = source, share
    try:
        yield
    finally:
        for layer in layers:
            layer.source, layer.share = None, None
