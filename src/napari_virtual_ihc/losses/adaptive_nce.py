"""Adaptive supervised PatchNCE (ASP, Li et al., MICCAI 2023): trust a pair as far as it agrees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.losses.patch_nce import Negatives, patch_nce

Scheduler = Literal["none", "zero", "linear", "sigmoid", "lambda"]
Lookup = Literal["uniform", "linear", "top", "bell"]
_EPS = 1e-8


@dataclass(frozen=True)
class AspSchedule:
    """When and how patch weights take over from equal weights.

    Attributes
    ----------
    scheduler
        How p(t) falls from 1 (all patches equal); ``none`` and ``zero`` keep it at 1.
    lookup
        Weight of a patch as a function of its positive similarity.
    n_epochs, n_epochs_decay
        Epochs of constant and of falling learning rate.
    """

    scheduler: Scheduler = "lambda"
    lookup: Lookup = "linear"
    n_epochs: int = 30
    n_epochs_decay: int = 10


def trust(schedule: AspSchedule, epoch: int) -> float:
    """Return p at the 1-based ``epoch``, with t = (epoch − 1) / (n_epochs + n_epochs_decay).

    zero: 1; linear: 1 − t; sigmoid: 1 / (1 + exp(10 (t − ½))); lambda: 1 while t < κ, then
    (1 − t) / (1 − κ), with κ = n_epochs / total.

    Raises
    ------
    UsageError
        If the lambda schedule has no decay epochs.
    """
    total = schedule.n_epochs + schedule.n_epochs_decay
    t = (epoch - 1) / total
    if schedule.scheduler == "linear":
        return 1 - t
    if schedule.scheduler == "sigmoid":
        return 1 / (1 + math.exp(10 * (t - 0.5)))
    if schedule.scheduler == "lambda":
        return _trapezium(t, schedule, total)
    return 1.0


def _trapezium(t: float, schedule: AspSchedule, total: int) -> float:
    if schedule.n_epochs_decay < 1:
        raise UsageError("ASP's lambda schedule needs at least one decay epoch ('n_epochs_decay').")
    knee = schedule.n_epochs / total
    return 1.0 if t < knee else (1 - t) / (1 - knee)


def similarity_weight(similarity: Tensor, lookup: Lookup) -> Tensor:
    """Return w₁(c) for positive similarities c of any shape.

    uniform: 1; linear: max(c, 0); top: √(1 − (max(c, 0) − 1)²); bell: the standard normal density
    at 4 (c − ½).
    """
    if lookup == "linear":
        return similarity.relu()
    if lookup == "top":
        return (1 - (similarity.relu() - 1).square()).clamp_min(0).sqrt()
    if lookup == "bell":
        return torch.exp(-(4 * (similarity - 0.5)).square() / 2) / math.sqrt(2 * math.pi)
    return torch.ones_like(similarity)


def patch_weights(query: Tensor, key: Tensor, schedule: AspSchedule, epoch: int) -> Tensor:
    """Return w (rows,), mean 1 over all patches of the call: w ∝ p + (1 − p) w₁(q · k), detached.

    Where every weight is 0 (p = 0 and no similarity above 0) all are 0 rather than not a number.
    """
    p = trust(schedule, epoch)
    similarity = (query * key).sum(dim=1).detach()
    weights = p + (1 - p) * similarity_weight(similarity, schedule.lookup)
    return weights / weights.mean().clamp_min(_EPS)


def adaptive_patch_nce(
    query: Tensor,
    key: Tensor,
    schedule: AspSchedule,
    epoch: int,
    *,
    images: int = 1,
    temperature: float = 0.07,
    all_negatives: bool = False,
    negatives: Negatives = "inter",
) -> Tensor:
    """Return w_i · PatchNCE_i of each patch, (B · P,); arguments as `patch_nce`.

    ``query`` comes from the virtual IHC and ``key`` from the real IHC at the same positions.
    """
    losses = patch_nce(
        query,
        key,
        images=images,
        temperature=temperature,
        all_negatives=all_negatives,
        negatives=negatives,
    )
    if schedule.scheduler == "none":
        return losses
    return losses * patch_weights(query, key, schedule, epoch)
