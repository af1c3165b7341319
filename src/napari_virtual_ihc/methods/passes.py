"""Passes of a generator whose encoder features are taken on the way, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from napari_virtual_ihc.networks.norm_statistics import averages_kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.networks.tapping import Tapped

Maps = list[Tensor]


@dataclass(frozen=True)
class Translation:
    """One forward pass of the generator.

    Attributes
    ----------
    fake, identity
        G(x), and G(y) where the identity term is on.
    he_maps, ihc_maps
        Encoder features of x and of y, without gradient: the keys of every contrast.
    flipped
        Whether G saw a mirrored x.
    """

    fake: Tensor
    identity: Tensor | None
    he_maps: Maps
    ihc_maps: Maps
    flipped: bool = False


@dataclass(frozen=True)
class Queries:
    """Encoder features of G(x) and, where the identity term is on, of G(y)."""

    fake: Maps
    identity: Maps | None


def detached(maps: Maps) -> Maps:
    """Return feature maps cut from their graph."""
    return [feature.detach() for feature in maps]


def at_once(
    generator: nn.Module, parts: Sequence[Tensor], taps: Sequence[int], *, whole: bool
) -> list[Maps]:
    """Run batches of images as one batch: right where statistics are per sample.

    Parameters
    ----------
    generator
        `networks.tapping.Tapped`.
    parts
        Batches (N, C, H, W) in [-1, 1].
    taps
        Layers whose outputs are returned for each part.
    whole
        Whether G(part) is the last of them.
    """
    joint = cast("Tapped", generator).features(torch.cat(list(parts)), taps, whole=whole)
    sizes = [len(part) for part in parts]
    shares = [torch.split(tap, sizes) for tap in joint]
    return [list(maps) for maps in zip(*shares, strict=True)]


def one_by_one(
    generator: nn.Module, parts: Sequence[Tensor], taps: Sequence[int], *, whole: bool
) -> list[Maps]:
    """Run one batch after the other, each with its own statistics; see `at_once`."""
    network = cast("Tapped", generator)
    return [network.features(part, taps, whole=whole) for part in parts]


def averaging_first(
    generator: nn.Module, parts: Sequence[Tensor], taps: Sequence[int], *, whole: bool
) -> list[Maps]:
    """Run one batch after the other; only translated H&E enters the running averages.

    That is the first part of a ``whole`` run; see `at_once`.
    """
    first = one_by_one(generator, parts[:1] if whole else (), taps, whole=True)
    with averages_kept(generator):
        return first + one_by_one(generator, parts[len(first) :], taps, whole=whole)
