"""Reflection padding that keeps to the precision of its input."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class ReflectionPad2d(nn.ReflectionPad2d):
    """torch's reflection padding, which autocast on the CPU would turn into float32 and back."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (N, C, H, W) with reflected borders, in its own dtype."""
        with own_precision(x):
            return super().forward(x)


def own_precision(x: Tensor) -> AbstractContextManager[object]:
    """Return a context in which operations on ``x`` keep its dtype, autocast or not."""
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()
