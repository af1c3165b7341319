"""FastCUT (Park, Efros, Zhang, Zhu: Contrastive Learning for Unpaired Translation, 2020).

CUT's lighter variant: no identity term, ten times the weight on PatchNCE, and half of the inputs
mirrored, so that one pass of the generator does for a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_virtual_ihc.methods.cut import Cut, CutRecipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.methods.recipe import Recipe


class FastCutRecipe(CutRecipe):
    """Switches of CUT; the defaults are the paper's "FastCUT" column."""

    n_epochs: int = Field(default=150, ge=1, description="Epochs at the full learning rate.")
    n_epochs_decay: int = Field(default=50, ge=0, description="Epochs of falling learning rate.")
    lambda_nce: float = Field(default=10.0, ge=0, description="Weight of PatchNCE.")
    nce_idt: bool = Field(default=False, description="Also contrast real IHC with its translation.")
    flip_equivariance: bool = Field(
        default=True, description="Show G a mirrored input half of the time; false is 'w/o flip'."
    )


class FastCut(Cut):
    """G minimises GAN(ŷ) + 10 · NCE(x → ŷ), as `Cut` does without its identity term."""

    name: ClassVar[str] = "fastcut"
    title: ClassVar[str] = "FastCUT (Park et al. 2020)"
    recipe_type: ClassVar[type[Recipe]] = FastCutRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": FastCutRecipe(),
        "smoke": FastCutRecipe.model_validate(
            Cut.presets["smoke"].model_dump()
            | {"lambda_nce": 10.0, "nce_idt": False, "flip_equivariance": True}
        ),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "w/o flip": ("flip_equivariance=false",),
    }
