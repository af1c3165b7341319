"""The switches that CUT and its heirs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field

from napari_virtual_ihc.losses.gan import GanMode  # noqa: TC001
from napari_virtual_ihc.losses.gaussian_pyramid import WEIGHTS, pyramid_l1, pyramid_l2
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.networks.init import InitKind  # noqa: TC001

if TYPE_CHECKING:
    from torch import Tensor


class ContrastiveRecipe(Recipe):
    """Switches of every method that stands on CUT (Park et al. 2020)."""

    ngf: int = Field(default=64, ge=1, description="Channels of the generator's first layer.")
    n_blocks: int = Field(default=9, ge=0, description="Residual blocks of the generator.")
    norm: Literal["instance", "batch"] = Field(
        default="instance",
        description="Normalisation of the generator: instance (papers), or batch, whose running "
        "averages need no statistics of the slide.",
    )
    antialias: bool = Field(default=True, description="Blur before every decimation.")
    antialias_up: bool = Field(default=True, description="Blur after every upsampling.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout in residual blocks.")
    spectral_norm: bool = Field(default=False, description="Spectral norm on every conv of G, D.")
    ndf: int = Field(default=64, ge=1, description="Channels of the discriminator's first layer.")
    n_layers_d: int = Field(default=3, ge=1, description="Stages of the discriminator.")
    init: InitKind = Field(default="xavier", description="Distribution of initial weights.")
    init_gain: float = Field(default=0.02, gt=0, description="Gain of initial weights.")
    gan_mode: GanMode = Field(default="lsgan", description="Adversarial loss.")
    lambda_gan: float = Field(default=1.0, ge=0, description="Weight of the adversarial loss.")
    lambda_nce: float = Field(default=1.0, ge=0, description="Weight of PatchNCE.")
    nce_idt: bool = Field(default=True, description="Also contrast real IHC with its translation.")
    nce_layers: tuple[int, ...] = Field(
        default=(0, 4, 8, 12, 16), description="Generator layers whose features are contrasted."
    )
    nce_temperature: float = Field(default=0.07, gt=0, description="Temperature τ of PatchNCE.")
    num_patches: int = Field(default=256, ge=1, description="Patches per layer and picture.")
    netf_width: int = Field(default=256, ge=1, description="Width of the projection head.")
    netf: Literal["mlp_sample", "sample"] = Field(
        default="mlp_sample", description="Project features by an MLP, or take them as they are."
    )
    all_negatives: bool = Field(
        default=False, description="Negatives from the whole batch, not the same picture."
    )
    legacy_l2norm: bool = Field(
        default=False, description="CUT's v / (‖v‖ + ε), whose gradient at 0 is not a number."
    )
    statistics: Literal["sample", "batch"] = Field(
        default="sample",
        description="Instance norm over each crop (papers), or over the batch together, which "
        "prepares for the frozen statistics of a whole slide.",
    )


class SpectralRecipe(ContrastiveRecipe):
    """Networks of ASP and its heirs: six blocks, five stages, all under spectral norm."""

    n_blocks: int = Field(default=6, ge=0, description="Residual blocks of the generator.")
    spectral_norm: bool = Field(default=True, description="Spectral norm on every conv of G, D.")
    ndf: int = Field(default=32, ge=1, description="Channels of the discriminator's first layer.")
    n_layers_d: int = Field(default=5, ge=1, description="Stages of the discriminator.")


class PyramidRecipe(SpectralRecipe):
    """How methods with a Gaussian pyramid loss measure it."""

    gp_norm: Literal["l1", "l2"] = Field(
        default="l1",
        description="Distance of the pyramid: the papers' L1, or L2, whose minimum is the mean of "
        "what cannot be told; for pairs of the same section.",
    )
    gp_weights: tuple[float, ...] = Field(
        default=WEIGHTS, description="Weight of each pyramid level, full resolution first."
    )

    def pyramid(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the distance of two batches of pictures, not yet weighted by λ."""
        distance = pyramid_l1 if self.gp_norm == "l1" else pyramid_l2
        return distance(fake, real, self.gp_weights)


C = TypeVar("C", bound=ContrastiveRecipe)


def smoke(kind: type[C]) -> C:
    """Return a recipe of ``kind`` so small that it trains in two minutes on two cores."""
    return kind(
        n_epochs=12,
        n_epochs_decay=4,
        lr=1e-3,
        load_size=None,
        crop_size=64,
        batch_size=2,
        ngf=8,
        n_blocks=2,
        ndf=8,
        n_layers_d=2,
        nce_layers=(0, 4, 8, 12),
        num_patches=64,
        netf_width=32,
        augmentation=Augmentation(turn=True),
    )
