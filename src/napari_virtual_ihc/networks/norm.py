"""Layers of normalisation: one whose statistics can be watched, pooled, frozen or mapped.

Live statistics are those of torch's InstanceNorm2d (biased variance, eps 1e-5, no affine) and leave
no key in the state dict, like the reference networks. Statistics are float32 whatever the input is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError

NormKind = Literal["instance", "batch", "none"]
EPS = 1e-5


class LayerStatistics(NamedTuple):
    """Mean and biased variance of one layer's input, each (C,) float32."""

    mean: Tensor
    var: Tensor


Observer = Callable[[Tensor, Tensor, int], None]
"""Receives mean (N, C), biased variance (N, C) and the positions each was taken over."""

StatisticsMaps = Callable[[int, int], tuple[Tensor, Tensor]]
"""From a layer's map height and width to mean and 1/std, both broadcastable to (N, C, H, W)."""


class FreezableInstanceNorm(nn.Module):
    """Normalise each channel of (N, C, H, W) by live, pooled, frozen or mapped statistics.

    Parameters
    ----------
    channels
        C.
    eps
        Added to the variance, not to mapped 1/std.

    Notes
    -----
    ``live`` takes the statistics of each sample (as papers train and test); ``pooled`` those of the
    whole batch together; ``frozen`` given ones; ``mapped`` given ones per pixel.
    """

    def __init__(self, channels: int, eps: float = EPS) -> None:
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.mode: Literal["live", "pooled", "frozen", "mapped"] = "live"
        self.observer: Observer | None = None
        self._maps: StatisticsMaps | None = None
        self.frozen_mean: Tensor
        self.frozen_var: Tensor
        self.register_buffer("frozen_mean", torch.zeros(channels), persistent=False)
        self.register_buffer("frozen_var", torch.ones(channels), persistent=False)

    def freeze(self, statistics: LayerStatistics) -> None:
        """Use ``statistics`` from now on.

        Raises
        ------
        ModelError
            If their shape is not (C,), or a variance is negative or not finite.
        """
        mean, var = (value.detach().to(torch.float32) for value in statistics)
        if mean.shape != (self.channels,) or var.shape != (self.channels,):
            found = tuple(mean.shape), tuple(var.shape)
            raise ModelError(
                f"Statistics of shape {found} do not fit a norm of {self.channels} channels."
            )
        if not (mean.isfinite().all() and var.isfinite().all() and bool((var >= 0).all())):
            raise ModelError(
                "Frozen statistics hold a negative variance or a value that is not finite."
            )
        self.frozen_mean = mean.to(self.frozen_mean.device)
        self.frozen_var = var.to(self.frozen_var.device)
        self.mode = "frozen"

    def map_with(self, maps: StatisticsMaps) -> None:
        """Ask ``maps`` for mean and 1/std at every forward (dense normalisation)."""
        self._maps = maps
        self.mode = "mapped"

    def pool(self) -> None:
        """Take statistics over the whole batch together from now on."""
        self.mode = "pooled"

    def thaw(self) -> None:
        """Return to the statistics of each sample, forgetting any given ones."""
        self.mode = "live"
        self._maps = None
        self.frozen_mean = torch.zeros_like(self.frozen_mean)
        self.frozen_var = torch.ones_like(self.frozen_var)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` normalised, in its own dtype."""
        if self.observer is not None:
            var, mean = torch.var_mean(x.detach().float(), dim=(2, 3), correction=0)
            self.observer(mean, var, x.shape[2] * x.shape[3])
        if self.training and self.mode == "live" and in_channels_last(x):
            return sample_by_sample(x, self.eps)
        return self._normalise(x.float()).to(x.dtype)

    def _normalise(self, x: Tensor) -> Tensor:
        if self.mode == "live":
            return guarded(F.instance_norm(x, eps=self.eps))
        if self.mode == "frozen":
            return F.batch_norm(x, self.frozen_mean, self.frozen_var, eps=self.eps)
        if self.mode == "pooled":
            var, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
            self.frozen_mean, self.frozen_var = mean.detach(), var.detach()
            return guarded(F.batch_norm(x, None, None, training=True, eps=self.eps))
        assert self._maps is not None
        mean_map, inverse_std = self._maps(x.shape[2], x.shape[3])
        return (x - mean_map) * inverse_std


def in_channels_last(x: Tensor) -> bool:
    """Return whether ``x`` (N, C, H, W) lies in memory with its channels last, and only so."""
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def sample_by_sample(x: Tensor, eps: float = EPS) -> Tensor:
    """Return the instance norm of ``x`` as the batch norm of each of its samples.

    torch's instance norm copies a channels-last map into the other layout and back, which costs
    several times the norm itself; its batch norm does not. Weights in float32, which change
    nothing, make it keep the statistics of a bfloat16 map in float32.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    one = torch.ones(x.shape[1], dtype=dtype, device=x.device)
    zero = torch.zeros_like(one)
    samples = torch.split(x, 1)
    return torch.cat(
        [F.batch_norm(each, None, None, one, zero, training=True, eps=eps) for each in samples]
    )


def guarded(out: Tensor) -> Tensor:
    """Return ``out`` of a norm, its gradient made contiguous where that matters.

    Given the transposed or channels-last gradient of a single sample, torch 2.13's norms answer
    with a wrong one on the CPU.
    """
    if len(out) == 1 and out.requires_grad:
        out.register_hook(lambda slope: slope.contiguous())  # type: ignore[no-untyped-call]
    return out


def make_norm(kind: NormKind, channels: int) -> nn.Module:
    """Return the normalisation layer of ``kind``; ``none`` keeps its place with an identity."""
    if kind == "instance":
        return FreezableInstanceNorm(channels)
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.Identity()
