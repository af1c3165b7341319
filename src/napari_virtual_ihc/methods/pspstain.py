"""PSPStain: pathological semantics-preserving learning (Chen et al., MICCAI 2024).

A neighbouring section cannot say where a pixel is brown, but how much protein there is in a
picture, in its parts and among its shades (PALS), and what positive regions look like (PCLS).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import torch

from napari_virtual_ihc.losses.multiscale_ssim import multiscale_ssim
from napari_virtual_ihc.losses.protein_awareness import protein_awareness
from napari_virtual_ihc.losses.prototype_consistency import prototype_consistency
from napari_virtual_ihc.methods.contrastive import ContrastiveMethod
from napari_virtual_ihc.methods.pspstain_recipe import PRESETS, PspStainRecipe
from napari_virtual_ihc.models.segmentation_prior import (
    load_segmentation_prior,
    segmentation_prior_hash,
)
from napari_virtual_ihc.networks.dropout import drawing_from
from napari_virtual_ihc.networks.norm_statistics import averages_kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.base import Batch
    from napari_virtual_ihc.methods.passes import Translation
    from napari_virtual_ihc.methods.recipe import Recipe
    from napari_virtual_ihc.networks.segmentation_unet import SegmentationUnet

WITHOUT_PRIOR = (
    "Trained without prototype consistency (PCLS, 'w/o CTPC'), because recipe field 'prior' names "
    "no segmentation network: give the published BCI_unet_seg.pth or MIST_unet_seg.pth, or train "
    "one with virtual-ihc train --method pspstain-prior."
)


class PspStain(ContrastiveMethod[PspStainRecipe]):
    """G minimises GAN + NCE(x → ŷ) + GP(ŷ, y) + ¼ (1 - MS-SSIM) + MLPA(ŷ, y) + 2.5 CTPC(ŷ, y).

    D learns 20 times slower than G. CTPC is a sum over the batch, of pairs seen by the frozen
    prior one by one.
    """

    name: ClassVar[str] = "pspstain"
    title: ClassVar[str] = "PSPStain (Chen et al. 2024)"
    recipe_type: ClassVar[type[Recipe]] = PspStainRecipe
    presets: ClassVar[Mapping[str, Recipe]] = PRESETS
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "w/o PALS": ("lambda_mlpa=0",),
        "w/o PCLS": ("lambda_ctpc=0",),
        "w/o PALS and PCLS": ("lambda_mlpa=0", "lambda_ctpc=0"),
        "w/o SSIM": ("lambda_ssim=0",),
        "w/o GP": ("lambda_gp=0",),
        "plain optical density": ("fod_alpha=1",),
    }
    discriminator_layout: Literal["asp", "cut"] = "asp"

    def __init__(self, recipe: PspStainRecipe, seed: int) -> None:
        super().__init__(recipe, seed)
        self.notes = _notes(recipe)

    def _build_networks(self) -> dict[str, nn.Module]:
        networks = super()._build_networks()
        if self.recipe.prior is None or not self.recipe.lambda_ctpc:
            return networks
        return networks | {"Seg": load_segmentation_prior(self.recipe.prior)}

    def _build_optimisers(self) -> dict[str, Optimizer]:
        rates = {"G": 1.0, "D": self.recipe.lr_d, "F": 1.0}
        learning = {letter: list(self.networks[letter].parameters()) for letter in rates}
        return {
            letter: self._adam(parameters, self.recipe.lr * rates[letter])
            for letter, parameters in learning.items()
            if parameters
        }

    def generator_losses(self, translation: Translation, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms; a term whose weight is 0 is left out."""
        recipe, fake, real = self.recipe, translation.fake, batch.ihc
        terms = {"GAN": self.adversarial(fake)}
        if recipe.lambda_nce:
            queries = self.encode_queries(translation)
            terms |= self.input_contrasts(queries, translation, batch, recipe.lambda_nce)
        if recipe.lambda_gp:
            terms["GP"] = recipe.pyramid(fake, real) * recipe.lambda_gp
        if recipe.lambda_ssim:
            likeness = multiscale_ssim((fake + 1) / 2, (real + 1) / 2, recipe.ssim_weights)
            terms["SSIM"] = (1 - likeness) * recipe.lambda_ssim
        if recipe.lambda_mlpa:
            awareness = protein_awareness(fake, real, recipe.focal, recipe.blocks)
            terms["MLPA"] = awareness.total(batch.share[2]) * recipe.lambda_mlpa
        if "Seg" in self.networks:
            terms["CTPC"] = self._prototypes(fake, batch) * recipe.lambda_ctpc
        return terms

    def _prototypes(self, fake: Tensor, batch: Batch) -> Tensor:
        """Return CTPC, the sum over the whole batch."""
        _, here, whole = batch.share
        seeds = batch.per_picture(lambda n: torch.randint(1 << 62, (n,), generator=batch.generator))
        pairs = torch.stack([fake, batch.ihc], dim=1)
        losses = [self._of_pair(pair, int(seed)) for pair, seed in zip(pairs, seeds, strict=True)]
        return torch.stack(losses).sum() * (whole / here)

    def _of_pair(self, pair: Tensor, seed: int) -> Tensor:
        """Return CTPC of one ŷ and its y, (2, 3, H, W)."""
        focal = self.recipe.focal
        masks = focal.mask(focal.density(pair.detach()))
        return prototype_consistency(*self._segment(pair, seed), masks)

    def _segment(self, pair: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        network = cast("SegmentationUnet", self.networks["Seg"])
        if self.recipe.prior_mode == "eval":
            return network.segment(pair)
        source = torch.Generator().manual_seed(seed)
        with _in_training(network), averages_kept(network), drawing_from(network, source):
            return network.segment(pair)


def _notes(recipe: PspStainRecipe) -> tuple[str, ...]:
    """Return the sentence of a model card on the prior, unless an ablation leaves it out."""
    if not recipe.lambda_ctpc:
        return ()
    if recipe.prior is None:
        return (WITHOUT_PRIOR,)
    digest = segmentation_prior_hash(recipe.prior)
    return (f"Its segmentation prior is the network whose weights have the SHA-256 {digest}.",)


@contextmanager
def _in_training(network: nn.Module) -> Iterator[None]:
    """Let ``network`` normalise by what it sees, with dropout, while the context lasts."""
    network.train()
    try:
        yield
    finally:
        network.eval()
