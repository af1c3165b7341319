"""The multi-magnification attention method (AMMFI), re-implemented from its paper.

ASP with two additions: a generator whose decoder decides, by attention, which encoder features
pass (`networks.attention.Ammfi`), and training pairs shown at four magnifications. There is no
public code; what the paper leaves open is a switch of the recipe. The paper's baseline has the
figures of ASP to every digit, so that ASP is what both additions are made to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from napari_virtual_ihc.methods.asp import Asp, AspRecipe
from napari_virtual_ihc.methods.contrastive_recipe import smoke
from napari_virtual_ihc.methods.passes import averaging_first
from napari_virtual_ihc.methods.recipe import Magnification, Recipe
from napari_virtual_ihc.networks.ammfi import AmmfiConfig
from napari_virtual_ihc.networks.registry import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_virtual_ihc.methods.passes import Maps


class AmmfiRecipe(AspRecipe):
    """Switches of the method; losses, schedule and discriminator are ASP's (1/10/10/10)."""

    attention: bool = Field(
        default=True,
        description="Attended skips between encoder and decoder; false, with stem 7, is "
        "'w/ multi-magnification only'.",
    )
    stem: Literal[3, 7] = Field(
        default=3, description="Side of G's first convolution: the paper's, or ASP's."
    )
    ammfi_norm: Literal["batch", "instance"] = Field(
        default="batch",
        description="Norm inside the attention modules: the figure's, or one without batch "
        "statistics.",
    )
    literal_eq3: bool = Field(
        default=False, description="Channel attention twice, as formula 3 reads word by word."
    )
    magnification: Magnification = Field(
        default=Magnification(sampling="four-way"),
        description="Scales at which pairs are shown; sampling native is 'w/ attention only'.",
    )


class Ammfi(Asp):
    """G minimises ASP's losses, GAN + 10 NCE (x, and y by identity) + 10 ASP + 10 GP.

    Batch norm would mix H&E and IHC where both go through G together, and its running statistics
    are what a slide is translated with: so G sees each by itself, and learns them from H&E alone.
    """

    name: ClassVar[str] = "ammfi"
    title: ClassVar[str] = "AMMFI (multi-magnification attention)"
    fidelity: ClassVar[str] = "re-implementation from the paper; no public code"
    recipe_type: ClassVar[type[Recipe]] = AmmfiRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": AmmfiRecipe(),
        "smoke": smoke(AmmfiRecipe),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Our Baseline": ("attention=false", "stem=7", "magnification.sampling=native"),
        "w/ multi-magnification only": ("attention=false", "stem=7"),
        "w/ attention only": ("magnification.sampling=native",),
        "AMMFI": (),
    }
    recipe: AmmfiRecipe

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the attended generator; without attention and with ASP's stem, ASP's own."""
        recipe = self.recipe
        if not recipe.attention and recipe.stem == 7:
            return super().architecture()
        config = AmmfiConfig(
            ngf=recipe.ngf,
            n_blocks=recipe.n_blocks,
            stem=recipe.stem,
            trunk_norm=recipe.norm,
            attention=recipe.attention,
            ammfi_norm=recipe.ammfi_norm,
            literal_eq3=recipe.literal_eq3,
            dropout=recipe.dropout,
            antialias=recipe.antialias,
            antialias_up=recipe.antialias_up,
            spectral=recipe.spectral_norm,
        )
        return "ammfi", describe(config)

    def _run(self, parts: list[Tensor], *, whole: bool = False) -> list[Maps]:
        """Run G on several image batches; where its attention has batch norms, one by one."""
        if self.recipe.attention and self.recipe.ammfi_norm == "batch":
            return averaging_first(self.networks["G"], parts, self.recipe.nce_layers, whole=whole)
        return super()._run(parts, whole=whole)
