"""CUT (Park, Efros, Zhang, Zhu: Contrastive Learning for Unpaired Translation, 2020).

A patch of the output must resemble the patch of the input at the same place more than other
patches of that input; a discriminator makes the whole look like the target domain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field

from napari_virtual_ihc.methods.contrastive import ContrastiveMethod
from napari_virtual_ihc.methods.contrastive_recipe import ContrastiveRecipe, smoke
from napari_virtual_ihc.methods.passes import Maps, Queries, Translation, detached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_virtual_ihc.methods.base import Batch
    from napari_virtual_ihc.methods.recipe import Recipe


class CutRecipe(ContrastiveRecipe):
    """Switches of CUT; the defaults are the paper's "CUT" column."""

    n_epochs: int = Field(default=200, ge=1, description="Epochs at the full learning rate.")
    n_epochs_decay: int = Field(default=200, ge=0, description="Epochs of falling learning rate.")
    load_size: int | None = Field(default=286, ge=8, description="Resize pictures to this side.")
    crop_size: int = Field(default=256, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    decay_at_crop_size: bool = Field(
        default=True, description="Resize pictures to crop_size while the learning rate falls."
    )
    sampling: Literal["replacement", "shuffled"] = Field(
        default="shuffled", description="How H&E pictures are drawn; the code shuffles them."
    )
    aligned: bool = Field(default=False, description="Draw true pairs instead of unrelated ones.")
    flip_equivariance: bool = Field(
        default=False, description="Show G a mirrored input half of the time (FastCUT)."
    )


class Cut(ContrastiveMethod[CutRecipe]):
    """G minimises λ_GAN·GAN(ŷ) + λ_NCE·NCE, D the usual adversarial loss (eq. 1 to 5).

    NCE is NCE(x → ŷ), or the mean of it and NCE(y → G(y)) with the identity term
    (eq. 5: the external dictionary of the target domain).
    """

    name: ClassVar[str] = "cut"
    title: ClassVar[str] = "CUT (Park et al. 2020)"
    recipe_type: ClassVar[type[Recipe]] = CutRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": CutRecipe(),
        "smoke": smoke(CutRecipe),
    }

    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "w/o identity": ("nce_idt=false",),
        "external negatives": ("all_negatives=true",),
        "last layer only": ("nce_layers=[16]",),
        "FastCUT": ("lambda_nce=10", "nce_idt=false", "flip_equivariance=true"),
    }

    def translate(self, batch: Batch) -> Translation:
        """Run G; with flip equivariance half of the batches are mirrored before it."""
        if not self.recipe.flip_equivariance or torch.rand((), generator=batch.generator) < 0.5:
            return super().translate(batch)
        parts = [batch.he.flip(3)] + ([batch.ihc.flip(3)] if self.recipe.nce_idt else [])
        outputs = [maps[-1] for maps in self._run(parts, whole=True)]
        identity = outputs[1] if self.recipe.nce_idt else None
        ihc_maps = self.encode_quietly(batch.ihc) if self.recipe.nce_idt else []
        return Translation(
            outputs[0], identity, self.encode_quietly(batch.he), detached(ihc_maps), flipped=True
        )

    def generator_losses(self, translation: Translation, batch: Batch) -> dict[str, Tensor]:
        """Return GAN and NCE (eq. 3 and 4); with the identity term both NCE count one half."""
        terms = {"GAN": self.adversarial(translation.fake)}
        queries = self._unflipped(translation)
        share = self.recipe.lambda_nce * (0.5 if queries.identity is not None else 1.0)
        return terms | self.input_contrasts(queries, translation, batch, share)

    def _unflipped(self, translation: Translation) -> Queries:
        queries = self.encode_queries(translation)
        if not translation.flipped:
            return queries
        identity = None if queries.identity is None else mirrored(queries.identity)
        return Queries(mirrored(queries.fake), identity)


def mirrored(maps: Maps) -> Maps:
    """Return feature maps mirrored left to right."""
    return [feature.flip(3) for feature in maps]
