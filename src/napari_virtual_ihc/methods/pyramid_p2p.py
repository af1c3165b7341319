"""Pyramid Pix2pix (Liu et al.: BCI: Breast Cancer Immunohistochemical Image Generation, 2022).

Neighbouring sections match better the more they are blurred. Pyramid Pix2pix adds to pix2pix's L1
that of further octaves, each blurred and half as large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from napari_virtual_ihc.losses.octave_pyramid import weighted_octave_l1
from napari_virtual_ihc.methods.conditional import ConditionalGan, ConditionalRecipe
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.resnet import ResnetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Weight = Annotated[float, Field(gt=0)]


class PyramidP2PRecipe(ConditionalRecipe):
    """Switches of Pyramid Pix2pix; the defaults are the published code's training, at full size."""

    batch_size: int = Field(default=2, ge=1, description="Crops per step.")
    crop_size: int = Field(default=1024, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    n_blocks: int = Field(default=9, ge=0, description="Residual blocks of the generator.")
    lambda_gan: float = Field(
        default=1.0, ge=0, description="Weight of the adversarial loss; 0 is 'noGAN'."
    )
    octave_weights: tuple[Weight, ...] = Field(
        default=(25.0, 25.0, 25.0, 25.0),
        min_length=1,
        description="Weight of the L1 at each octave, full resolution first; fewer weights are "
        "fewer octaves, one is 'L1'.",
    )


class PyramidP2P(ConditionalGan[PyramidP2PRecipe]):
    """G minimises GAN + Σ_s λ_s · ‖octave_s(y) − octave_s(G(x))‖₁."""

    name: ClassVar[str] = "pyramidp2p"
    title: ClassVar[str] = "Pyramid Pix2pix (Liu et al. 2022)"
    recipe_type: ClassVar[type[Recipe]] = PyramidP2PRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": PyramidP2PRecipe(),
        "crop512": PyramidP2PRecipe(crop_size=512),
        "smoke": PyramidP2PRecipe(
            n_epochs=3,
            n_epochs_decay=1,
            crop_size=64,
            ngf=8,
            n_blocks=2,
            ndf=8,
            n_layers_d=2,
            augmentation=Augmentation(turn=True),
        ),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "L1": ("octave_weights=[25]",),
        "L1_L2": ("octave_weights=[25,25]",),
        "L1_L2_L3": ("octave_weights=[25,25,25]",),
        "noGAN": ("lambda_gan=0",),
    }

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of G's architecture."""
        recipe = self.recipe
        return "resnet", describe(
            ResnetConfig(
                ngf=recipe.ngf,
                n_blocks=recipe.n_blocks,
                norm=recipe.norm,
                dropout=recipe.dropout,
                antialias=False,
                antialias_up=False,
            )
        )

    def distances(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return the weighted L1 of every octave."""
        terms = weighted_octave_l1(fake, real, self.recipe.octave_weights)
        return {f"L{octave}": term for octave, term in enumerate(terms, start=1)}
