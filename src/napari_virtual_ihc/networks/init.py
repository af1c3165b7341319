"""Weight initialisation of the published training codes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

InitKind = Literal["normal", "xavier", "kaiming", "orthogonal"]


@torch.no_grad()
def initialise(
    network: nn.Module,
    kind: InitKind = "xavier",
    gain: float = 0.02,
    generator: torch.Generator | None = None,
) -> None:
    """Redraw every weight of ``network`` in place, biases 0.

    Parameters
    ----------
    kind, gain
        ``xavier`` with gain 0.02 (CUT family) or ``normal`` with σ 0.02 (pix2pix, CycleGAN);
        BatchNorm weights are drawn from N(1, gain²).
    generator
        Source of randomness; torch's global one where None.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, gain, generator=generator)
            nn.init.zeros_(module.bias)
        elif (weight := _own_weight(module)) is not None:
            _draw(weight, kind, gain, generator)
            if isinstance(module.bias, Tensor):
                nn.init.zeros_(module.bias)


def _own_weight(module: nn.Module) -> Tensor | None:
    parameters = dict(module.named_parameters(recurse=False))
    return parameters.get("weight_orig", parameters.get("weight"))


def _draw(weight: Tensor, kind: InitKind, gain: float, generator: torch.Generator | None) -> None:
    if kind == "normal":
        nn.init.normal_(weight, 0.0, gain, generator=generator)
    elif kind == "xavier":
        nn.init.xavier_normal_(weight, gain=gain, generator=generator)
    elif kind == "kaiming":
        nn.init.kaiming_normal_(weight, a=0, mode="fan_in", generator=generator)
    else:
        nn.init.orthogonal_(weight, gain=gain, generator=generator)
