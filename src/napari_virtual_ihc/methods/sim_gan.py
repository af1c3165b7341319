"""SIM-GAN: supervised information mining from weakly paired images (Guan et al., TMI 2025).

CUT, and two things that a neighbouring section can teach although it does not match: which
pictures of a batch resemble each other, and which of its patches go with which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field, ValidationInfo, field_validator

from napari_virtual_ihc.losses.optimal_transport import Cost, matching_consistency
from napari_virtual_ihc.losses.similarity import batch_consistency
from napari_virtual_ihc.methods.contrastive import ContrastiveMethod
from napari_virtual_ihc.methods.contrastive_recipe import SpectralRecipe, smoke

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_virtual_ihc.methods.base import Batch
    from napari_virtual_ihc.methods.passes import Queries, Translation
    from napari_virtual_ihc.methods.recipe import Recipe


class SimGanRecipe(SpectralRecipe):
    """Switches of SIM-GAN; the defaults are the published launcher's (50 + 50 epochs, batch 8)."""

    n_epochs: int = Field(default=50, ge=1, description="Epochs at the full learning rate.")
    n_epochs_decay: int = Field(default=50, ge=0, description="Epochs of falling learning rate.")
    batch_size: int = Field(default=8, ge=1, description="Crops per step; CC compares them.")
    crop_size: int = Field(default=256, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    lambda_cc: float = Field(
        default=10.0,
        ge=0,
        validate_default=True,
        description="Weight of the batch's consistent similarities; 0 is 'w/o CC'.",
    )
    lambda_mc: float = Field(
        default=10000.0, ge=0, description="Weight of the matching's consistency; 0 is 'w/o MC'."
    )
    mc_cost: Cost = Field(
        default="easy", description="Which patches attract each other: unlike (easy) or like ones."
    )
    mc_epsilon: float = Field(default=1.0, gt=0, description="Entropy ε of the transport.")
    mc_iterations: int = Field(default=50, ge=1, description="Sinkhorn iterations.")

    @field_validator("lambda_cc")
    @classmethod
    def _needs_a_batch(cls, weight: float, others: ValidationInfo) -> float:
        if weight and others.data.get("batch_size", 2) < 2:
            raise ValueError("CC compares the crops of a batch, so 'batch_size' 1 needs weight 0")
        return weight


class SimGan(ContrastiveMethod[SimGanRecipe]):
    """G minimises GAN + ½ (NCE(x → ŷ) + NCE(y → G(y))) + CC(y, ŷ) + MC(x, y, ŷ).

    CC = |K(ŷ) − K(y)|, K the similarities among the pictures of a batch. MC = |T(y, ŷ) − T(x, y)|,
    T the optimal transport between the patches of two pictures at the same places.
    """

    name: ClassVar[str] = "sim-gan"
    title: ClassVar[str] = "SIM-GAN (Guan et al. 2025)"
    recipe_type: ClassVar[type[Recipe]] = SimGanRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": SimGanRecipe(),
        "smoke": smoke(SimGanRecipe).model_copy(update={"lambda_mc": 500.0}),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "w/o CC": ("lambda_cc=0",),
        "w/o MC": ("lambda_mc=0",),
        "w/o CC and MC": ("lambda_cc=0", "lambda_mc=0"),
        "MC hard": ("mc_cost=hard",),
    }
    discriminator_layout: Literal["asp", "cut"] = "asp"
    contrasts_ihc = True

    def generator_losses(self, translation: Translation, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms; a term whose weight is 0 is left out."""
        recipe = self.recipe
        terms = {"GAN": self.adversarial(translation.fake)}
        queries = self.encode_queries(translation)
        share = 0.5 if queries.identity is not None else 1.0
        if recipe.lambda_nce:
            terms |= self.input_contrasts(queries, translation, batch, share * recipe.lambda_nce)
        if recipe.lambda_cc:
            consistency = batch_consistency(queries.fake, translation.ihc_maps)
            terms["CC"] = consistency * recipe.lambda_cc
        if recipe.lambda_mc:
            terms["MC"] = self._matching(queries, translation, batch) * recipe.lambda_mc
        return terms

    def _matching(self, queries: Queries, translation: Translation, batch: Batch) -> Tensor:
        """Return MC, the mean over taps; x, y and ŷ are seen at the same places."""
        recipe, head = self.recipe, self.networks["F"]
        ids = self.draw_ids("MC", translation.he_maps, batch.generator)
        with torch.no_grad():
            x, y = (head(maps, ids) for maps in (translation.he_maps, translation.ihc_maps))
        taps = [
            matching_consistency(
                *patches,
                images=1 if recipe.all_negatives else len(batch.he),
                cost=recipe.mc_cost,
                epsilon=recipe.mc_epsilon,
                iterations=recipe.mc_iterations,
            )
            for patches in zip(x, y, head(queries.fake, ids), strict=True)
        ]
        return torch.stack(taps).mean()
