"""PSPStain's segmentation prior, for those who lack the published weights.

The authors give a U-Net that tells positive from negative regions, and no training of it. This
one learns from the pseudo masks that PSPStain itself makes of real IHC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch.nn import functional as F

from napari_virtual_ihc.methods.learner import Learner
from napari_virtual_ihc.methods.pspstain_recipe import PRIOR_PRESETS, PspStainPriorRecipe
from napari_virtual_ihc.networks.dropout import drawing_from
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.segmentation_unet import SegmentationUnet, SegmentationUnetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from napari_virtual_ihc.methods.base import Artifact, Batch, Engine
    from napari_virtual_ihc.methods.recipe import Recipe

_SHOWN = 3
_PROTOCOL = (
    "of positive pixels against the recipe's focal optical density masks of real IHC, central "
    "crops of the training's size"
)


class PspStainPrior(Learner[PspStainPriorRecipe]):
    """Seg minimises the cross-entropy of each IHC pixel's class, positive or negative."""

    name: ClassVar[str] = "pspstain-prior"
    title: ClassVar[str] = "PSPStain (Chen et al. 2024), segmentation prior"
    recipe_type: ClassVar[type[Recipe]] = PspStainPriorRecipe
    artifact: ClassVar[Artifact] = "auxiliary"
    fidelity: ClassVar[str] = (
        "the published network and pseudo masks; how the authors trained it is not published"
    )
    presets: ClassVar[Mapping[str, Recipe]] = PRIOR_PRESETS
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {"w/o dropout": ("dropout=[0,0,0,0,0]",)}
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    protocols: ClassVar[Mapping[str, str]] = {
        "mask_cross_entropy": f"natural logarithm, {_PROTOCOL}",
        "mask_dice": f"Dice overlap, 1 where neither has any, {_PROTOCOL}",
    }

    def __init__(self, recipe: PspStainPriorRecipe, seed: int) -> None:
        super().__init__(recipe, seed)
        self.notes = (
            "A segmentation prior of PSPStain that learned from pseudo masks by focal optical "
            "density, not from regions that anybody drew.",
        )

    @property
    def config(self) -> SegmentationUnetConfig:
        """Shape of Seg."""
        return SegmentationUnetConfig(self.recipe.widths, self.recipe.dropout)

    def _build_networks(self) -> dict[str, nn.Module]:
        return {"Seg": SegmentationUnet(self.config)}

    def generator(self) -> nn.Module:
        """Return the network that segments."""
        return self.networks["Seg"]

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of Seg's architecture."""
        return "segmentation-unet", describe(self.config)

    def masks(self, ihc: Tensor) -> Tensor:
        """Return the pseudo masks of (N, 3, H, W) IHC in [-1, 1], (N, H, W) bool."""
        focal = self.recipe.focal
        with torch.no_grad():
            return focal.mask(focal.density(ihc))

    def training_step(self, batch: Batch, engine: Engine) -> dict[str, Tensor]:
        """Do one step of Seg."""
        network, optimiser = self.networks["Seg"], self.optimisers["Seg"]
        optimiser.zero_grad(set_to_none=True)
        with drawing_from(network, batch.generator, batch.share):
            logits = network(batch.ihc)
        loss = F.cross_entropy(logits, self.masks(batch.ihc).long())
        engine.backward(loss)
        engine.step(optimiser)
        return {"CE": loss.detach()}

    def examine(self, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Return cross-entropy and Dice overlap of a held-out batch."""
        logits, masks = network(batch.ihc), self.masks(batch.ihc)
        return {
            "mask_cross_entropy": float(F.cross_entropy(logits, masks.long())),
            "mask_dice": float(dice(logits.argmax(dim=1) == 1, masks).mean()),
        }

    def picture(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return pictures and, right of each, its pseudo mask and what the network tells."""
        ihc = batch.ihc[:_SHOWN]
        found = network(ihc).softmax(dim=1)[:, 1]
        maps = [ihc, *(_grey(share) for share in (self.masks(ihc).to(ihc), found))]
        return torch.cat(list(torch.cat(maps, dim=3)), dim=1)


def dice(found: Tensor, masks: Tensor) -> Tensor:
    """Return the Dice overlap of each picture, (N,), from two (N, H, W) bool."""
    both, either = (part.sum(dim=(1, 2)) for part in (found & masks, found.int() + masks.int()))
    return torch.where(either == 0, 1.0, 2 * both / either.clamp(min=1))


def _grey(shares: Tensor) -> Tensor:
    """Return (N, H, W) from 0 to 1 as grey pictures, (N, 3, H, W) in [-1, 1]."""
    return (2 * shares - 1).unsqueeze(1).expand(-1, 3, -1, -1)
