"""A generator as the pix2pix codes test it: in train mode, one picture at a time.

Without their ``--eval`` flag these codes leave dropout on and let BatchNorm take the statistics of
the test picture (Isola et al. 2017, section 3.4); published outputs are made this way.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class PictureBatchNorm(nn.Module):
    """A BatchNorm by the statistics of each picture of (N, C, H, W), not by its running ones."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight = norm.weight
        self.bias = norm.bias
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` normalised, in its own dtype; statistics are float32."""
        weight, bias = self.weight.float(), self.bias.float()
        return F.instance_norm(x.float(), weight=weight, bias=bias, eps=self.eps).to(x.dtype)


def as_tested(network: nn.Module) -> nn.Module:
    """Replace every BatchNorm of ``network`` by a `PictureBatchNorm` in place, and return it.

    Its dropout becomes active with a source of masks (`dropout.Dropout`).
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, PictureBatchNorm(child))
    return network
