"""pix2pix (Isola, Zhu, Zhou, Efros: Image-to-Image Translation with Conditional GANs, 2017).

The baseline for pairs that match pixel by pixel: a U-Net, an L1 distance, and a discriminator of
patches that is shown the H&E together with the real or the virtual IHC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, ValidationInfo, field_validator
from torch.nn import functional as F

from napari_virtual_ihc.methods.conditional import ConditionalGan, ConditionalRecipe
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.unet import UnetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Pix2PixRecipe(ConditionalRecipe):
    """Switches of pix2pix; the defaults are the paper's and its PyTorch code's."""

    load_size: int | None = Field(default=286, ge=8, description="Resize pictures to this side.")
    crop_size: int = Field(default=256, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    n_downs: int = Field(
        default=8, ge=5, le=12, validate_default=True, description="Halvings of the U-Net."
    )
    conditional: bool = Field(
        default=True, description="Show the discriminator the H&E beside the IHC; false is 'GAN'."
    )
    lambda_gan: float = Field(
        default=1.0, ge=0, description="Weight of the adversarial loss; 0 is 'L1'."
    )
    lambda_l1: float = Field(default=100.0, ge=0, description="Weight of the L1; 0 is 'cGAN'.")

    @field_validator("n_downs")
    @classmethod
    def _fits_the_crop(cls, n_downs: int, info: ValidationInfo) -> int:
        side = info.data.get("crop_size", 0)
        if side % 2**n_downs:
            raise ValueError(f"{n_downs} halvings need a crop_size of {2**n_downs} or a multiple")
        return n_downs

    @field_validator("lambda_l1")
    @classmethod
    def _leaves_something(cls, weight: float, info: ValidationInfo) -> float:
        if weight == 0 and info.data.get("lambda_gan") == 0:
            raise ValueError("lambda_gan and lambda_l1 cannot both be 0")
        return weight


class Pix2Pix(ConditionalGan[Pix2PixRecipe]):
    """G minimises cGAN(G, D) + λ · ‖y − G(x)‖₁ (eq. 4)."""

    name: ClassVar[str] = "pix2pix"
    title: ClassVar[str] = "pix2pix (Isola et al. 2017)"
    recipe_type: ClassVar[type[Recipe]] = Pix2PixRecipe
    presets: ClassVar[Mapping[str, Recipe]] = {
        "paper": Pix2PixRecipe(),
        "smoke": Pix2PixRecipe(
            n_epochs=3,
            n_epochs_decay=1,
            load_size=None,
            crop_size=64,
            batch_size=2,
            ngf=16,
            n_downs=6,
            ndf=8,
            n_layers_d=2,
            augmentation=Augmentation(turn=True),
        ),
    }
    ablations: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "L1": ("lambda_gan=0",),
        "GAN": ("conditional=false", "lambda_l1=0"),
        "cGAN": ("lambda_l1=0",),
        "L1+GAN": ("conditional=false",),
        "1×1": ("discriminator=pixel",),
        "16×16": ("n_layers_d=1",),
        "286×286": ("n_layers_d=5",),
    }

    def architecture(self) -> tuple[str, dict[str, object]]:
        """Return the name and arguments of G's architecture."""
        recipe = self.recipe
        return "unet", describe(
            UnetConfig(
                ngf=recipe.ngf, n_downs=recipe.n_downs, norm=recipe.norm, dropout=recipe.dropout
            )
        )

    def distances(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return λ · ‖y − ŷ‖₁ (eq. 3), a mean over values."""
        weight = self.recipe.lambda_l1
        return {"L1": F.l1_loss(fake, real) * weight} if weight else {}
