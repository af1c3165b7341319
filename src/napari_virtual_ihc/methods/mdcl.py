"""MDCL: mix-domain contrastive learning (Wang et al.: Mix-Domain Contrastive Learning, ICIP 2024).

ASP whose patches are also contrasted with the other patches of their own picture: what lies in
the same domain differs in content alone, and so teaches the encoder content. The published code
has no cycle loss, and does this for batches of one; here each picture of a batch has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_virtual_ihc.losses.patch_nce import Negatives  # noqa: TC001
from napari_virtual_ihc.methods.asp import Asp, AspRecipe
from napari_virtual_ihc.methods.contrastive_recipe import smoke

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.methods.recipe import Recipe


class MdclRecipe(AspRecipe):
    """Switches of MDCL; the defaults are the published launcher's (30 + 10 epochs, 1/1/1/1/10)."""

    lambda_nce: float = Field(default=1.0, ge=0, description="Weight of both mix-domain PatchNCE.")
    lambda_asp: float = Field(
        default=1.0, ge=0, description="Weight of mix-domain ASP; 0 is 'w/o ASP'."
    )
    nce_negatives: Negatives = Field(
        default="mixed",
        description="Negatives of PatchNCE: inter-domain, intra-domain, or mixed; inter is "
        "'mixed in ASP only'.",
    )
    asp_negatives: Negatives = Field(
        default="mixed", description="Negatives of ASP, likewise; inter is 'mixed in NCE only'."
    )


class Mdcl(Asp):
    """G minimises GAN + mixNCE(x → ŷ) + mixNCE(y → G(y)) + mixASP(y → ŷ) + GP(y, ŷ), a plain sum.

    In logits_i = [q_i · k_i; q_i · k_j; q_i · q_j] / τ, j ≠ i, the last are the intra-domain
    negatives. Equal patches, such as glass, repel each other there: the loss has a floor of about
    the logarithm of their number.
    """

    name: ClassVar[str] = "mdcl"
    title: ClassVar[str] = "MDCL (Wang et al. 2024)"
    recipe_type: ClassVar[type[Recipe]] = MdclRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": MdclRecipe(),
        "demo": MdclRecipe(**Asp.presets["demo"].model_dump()),
        "smoke": smoke(MdclRecipe),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "inter only": ("nce_negatives=inter", "asp_negatives=inter"),
        "intra only": ("nce_negatives=intra", "asp_negatives=intra"),
        "mixed in NCE only": ("asp_negatives=inter",),
        "mixed in ASP only": ("nce_negatives=inter",),
        "w/o ASP": ("lambda_asp=0",),
        "w/o GP": ("lambda_gp=0",),
    }
    recipe: MdclRecipe

    @property
    def nce_negatives(self) -> Negatives:
        """Which patches PatchNCE contrasts with."""
        return self.recipe.nce_negatives

    @property
    def asp_negatives(self) -> Negatives:
        """Which patches the adaptive supervised term contrasts with."""
        return self.recipe.asp_negatives
