"""How VSMT makes guiding features: IHC features moved onto the H&E, and fused with its own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_virtual_ihc.losses.matching import move_blocks
from napari_virtual_ihc.methods.passes import Maps, Translation, detached
from napari_virtual_ihc.methods.vsmt_alignment import aligned
from napari_virtual_ihc.networks.guidance import (
    FeatureGenerator,
    FeatureGeneratorConfig,
    GuidanceProjection,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from napari_virtual_ihc.methods.base import Batch
    from napari_virtual_ihc.methods.vsmt_recipe import VsmtRecipe
    from napari_virtual_ihc.methods.vsmt_sources import Sources
    from napari_virtual_ihc.networks.resnet import ResnetGenerator


@dataclass(frozen=True)
class Guided(Translation):
    """A translation with the generator's features on the way, and those of the guided pass.

    Attributes
    ----------
    students
        Features of ŷ's own pass, with gradient.
    teachers
        Features of the guided pass, without; empty where nothing guides.
    """

    students: Maps = field(default_factory=list)
    teachers: Maps = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """Features of two taps, without gradient.

    Attributes
    ----------
    he, ihc
        Of x (none where left out) and of y, from all task networks of the stain.
    virtual, recon
        Of ŷ and of G(y), from the one network whose features are matched.
    """

    he: Maps
    ihc: Maps
    virtual: Maps
    recon: Maps


@dataclass(frozen=True)
class Guide:
    """What guides the generator.

    Attributes
    ----------
    fused
        F_sta of two taps, added to G's residual blocks.
    moved
        Features of the real stain, moved onto the virtual one.
    """

    fused: Maps
    moved: Maps


def guide_networks(recipe: VsmtRecipe, sources: Sources) -> dict[str, nn.Module]:
    """Return FG1 of the first tap, FG2 of the second, with the structure head, DP and DP2."""
    wide = 4 * recipe.ngf
    sides = len(sources.he) * wide, len(sources.ihc) * wide
    structure = recipe.guide_width if recipe.moves else 0
    networks: dict[str, nn.Module] = {
        "FG1": FeatureGenerator(FeatureGeneratorConfig(*sides, wide, 0, recipe.halvings)),
        "FG2": FeatureGenerator(FeatureGeneratorConfig(*sides, wide, structure, recipe.halvings)),
    }
    for letter, wanted in (("DP", recipe.projects), ("DP2", recipe.compares)):
        if wanted:
            networks[letter] = GuidanceProjection(wide, recipe.guide_width)
    return networks


@torch.no_grad()
def see(networks: Mapping[str, nn.Module], sources: Sources, batch: Batch, fake: Tensor) -> Seen:
    """Return the features of a batch and of ŷ (``fake``); of y's own, those of G(y) are matched."""
    texture = (sources.texture,)
    return Seen(
        sources.features(networks, sources.he, batch.he) if sources.he else [],
        sources.features(networks, sources.ihc, batch.ihc),
        sources.features(networks, texture, fake),
        sources.features(networks, texture, networks["G"](batch.ihc)),
    )


def make_guide(
    first: FeatureGenerator,
    second: FeatureGenerator,
    seen: Seen,
    recipe: VsmtRecipe,
    draws: Sequence[torch.Generator],
) -> Guide:
    """Move the real stain's features by the second tap's alignment, and fuse them with H&E's.

    Parameters
    ----------
    draws
        A source of draws per picture.
    """
    ihc, moved = seen.ihc, seen.recon
    if recipe.moves:
        virtual, real = (second.cells(maps[1]) for maps in (seen.virtual, seen.recon))
        mixture = aligned(virtual, real, recipe, draws)
        ihc, moved = ([move_blocks(m, mixture) for m in maps] for maps in (ihc, moved))
    he: list[Tensor | None] = [*seen.he] if seen.he else [None, None]
    taps = zip((first, second), he, ihc, strict=True)
    return Guide([fuse(own, other) for fuse, own, other in taps], moved)


def guided_pass(
    network: ResnetGenerator, he: Tensor, made: Guide, recipe: VsmtRecipe
) -> tuple[Maps, Tensor]:
    """Return the features to learn from, and the guided picture ŷ_g."""
    added = dict(zip(recipe.guided_layers, made.fused, strict=True))
    *features, guided = network.features(he, recipe.distilled_layers, whole=True, added=added)
    return features, guided


def likenesses(
    made: Guide, seen: Seen, project: nn.Module, recipe: VsmtRecipe
) -> dict[str, Tensor]:
    """Return how unlike moved features are to virtual ones, and fused ones to moved ones.

    L1 over both taps after the projection DP2, no gradient into the second of each two.
    """
    terms = {}
    moved = [project(features) for features in made.moved]
    if recipe.moves and recipe.lambda_match:
        virtual = [project(features) for features in seen.virtual]
        terms["FG_match"] = recipe.lambda_match * _l1(moved, detached(virtual))
    if recipe.lambda_task:
        fused = [project(features) for features in made.fused]
        terms["FG_task"] = recipe.lambda_task * _l1(fused, detached(moved))
    return terms


def _l1(own: Maps, other: Maps) -> Tensor:
    return torch.stack([F.l1_loss(a, b) for a, b in zip(own, other, strict=True)]).sum()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Run ``network`` in eval mode while the context lasts."""
    network.eval()
    try:
        yield
    finally:
        network.train()
