"""ASP: adaptive supervised PatchNCE (Li et al.: Adaptive Supervised PatchNCE Loss, MICCAI 2023).

Neighbouring sections never match pixel by pixel. ASP contrasts the virtual stain with the real
one at the same place, and trusts each pair of patches as far as the two resemble each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from napari_virtual_ihc.losses.adaptive_nce import (
    AspSchedule,
    Lookup,
    Scheduler,
    adaptive_patch_nce,
)
from napari_virtual_ihc.methods.contrastive import ContrastiveMethod
from napari_virtual_ihc.methods.contrastive_recipe import PyramidRecipe, smoke
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_virtual_ihc.losses.patch_nce import Negatives
    from napari_virtual_ihc.methods.base import Batch
    from napari_virtual_ihc.methods.passes import Translation


class AspRecipe(PyramidRecipe):
    """Switches of ASP; the defaults are the published launchers' (30 + 10 epochs, 1/10/10/10)."""

    lambda_nce: float = Field(default=10.0, ge=0, description="Weight of PatchNCE.")
    lambda_asp: float = Field(
        default=10.0, ge=0, description="Weight of adaptive supervised PatchNCE; 0 is 'w/o SP'."
    )
    asp_scheduler: Scheduler = Field(
        default="lambda", description="How trust in all pairs falls with time; none is plain SP."
    )
    asp_lookup: Lookup = Field(
        default="linear", description="Weight of a pair of patches by its similarity."
    )
    lambda_gp: float = Field(
        default=10.0, ge=0, description="Weight of the Gaussian pyramid; 0 is 'w/o GP'."
    )


class Asp(ContrastiveMethod[AspRecipe]):
    """G minimises GAN + NCE(x → ŷ) + NCE(y → G(y)) + ASP(y → ŷ) + GP(y, ŷ) (eq. 5), a plain sum.

    The two NCE terms are not halved, unlike CUT. Each term draws its own patches. The paper
    writes the schedule as g = 1 − p; here p falls from 1, when all pairs count alike.
    """

    name: ClassVar[str] = "asp"
    title: ClassVar[str] = "ASP (Li et al. 2023)"
    recipe_type: ClassVar[type[Recipe]] = AspRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": AspRecipe(),
        "demo": AspRecipe(
            n_epochs=30,
            n_epochs_decay=20,
            batch_size=4,
            crop_size=96,
            ngf=16,
            ndf=16,
            n_layers_d=3,
            spectral_norm=False,
            lr=1e-3,
            lambda_gan=0.5,
            nce_idt=False,
            nce_layers=(0, 4, 8),
            num_patches=64,
            netf_width=64,
            lambda_nce=0.2,
            lambda_asp=0.2,
            lambda_gp=200,
            gp_norm="l2",
            gp_weights=(1, 1, 1, 1, 1, 1, 1),
            norm="batch",
            augmentation=Augmentation(
                turn=True,
                scale=0.1,
                stain=0.25,
                hue=0.05,
                light=0.03,
                blur=0.8,
                sharpen=0.5,
                noise=3,
                per_batch=True,
            ),
        ),
        "smoke": smoke(AspRecipe).model_copy(update={"lr": 5e-4}),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "SP": ("asp_scheduler=none",),
        "w/o SP": ("lambda_asp=0",),
        "w/o GP": ("lambda_gp=0",),
        **{
            f"ASP {scheduler} {lookup}": (f"asp_scheduler={scheduler}", f"asp_lookup={lookup}")
            for scheduler in ("linear", "sigmoid", "lambda")
            for lookup in ("linear", "top", "bell")
        },
    }
    discriminator_layout: Literal["asp", "cut"] = "asp"
    contrasts_ihc = True

    def generator_losses(self, translation: Translation, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of eq. 5; a term whose weight is 0 is left out."""
        recipe = self.recipe
        terms = {"GAN": self.adversarial(translation.fake)}
        queries = self.encode_queries(translation)
        if recipe.lambda_nce:
            terms |= self.input_contrasts(queries, translation, batch, recipe.lambda_nce)
        if recipe.lambda_asp:
            asp = self._adaptive(queries.fake, translation.ihc_maps, batch)
            terms["ASP"] = asp * recipe.lambda_asp
        if recipe.lambda_gp:
            terms["GP"] = recipe.pyramid(translation.fake, batch.ihc) * recipe.lambda_gp
        return terms

    @property
    def asp_negatives(self) -> Negatives:
        """Which patches the adaptive supervised term contrasts with."""
        return "inter"

    def _adaptive(self, queries: list[Tensor], keys: list[Tensor], batch: Batch) -> Tensor:
        """Contrast ŷ with y, each pair weighted by its present similarity (eq. 3 and 4)."""
        recipe = self.recipe
        schedule = AspSchedule(
            recipe.asp_scheduler, recipe.asp_lookup, recipe.n_epochs, recipe.n_epochs_decay
        )

        def weighted(query: Tensor, key: Tensor, images: int) -> Tensor:
            return adaptive_patch_nce(
                query,
                key,
                schedule,
                batch.epoch,
                images=images,
                temperature=recipe.nce_temperature,
                all_negatives=recipe.all_negatives,
                negatives=self.asp_negatives,
            )

        return self.contrast("ASP", queries, keys, batch, weighted)
