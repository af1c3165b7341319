"""The switches of PSPStain and of its segmentation prior, and the presets of both."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from napari_virtual_ihc.losses.focal_density import FocalDensity, FodInput
from napari_virtual_ihc.losses.multiscale_ssim import WEIGHTS as SSIM_WEIGHTS
from napari_virtual_ihc.losses.multiscale_ssim import smallest_side
from napari_virtual_ihc.methods.contrastive_recipe import PyramidRecipe
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.networks.segmentation_unet import (
    Five,
    SegmentationUnetConfig,
    Shares,
)

_UNET = SegmentationUnetConfig()


class DensityRecipe(Recipe):
    """How PSPStain measures protein, and what it shows a network at a time."""

    batch_size: int = Field(default=4, ge=1, description="Crops per step.")
    load_size: int | None = Field(
        default=1024, ge=8, description="Resize pictures to this side first; none keeps them."
    )
    crop_size: int = Field(default=512, ge=16, multiple_of=4, description="Side of a crop, pixels.")
    sampling: Literal["replacement", "shuffled"] = Field(
        default="shuffled", description="How pairs are drawn; the code shuffles them."
    )
    lr: float = Field(default=1e-4, gt=0, description="Learning rate; D's is a share of it.")
    fod_alpha: float = Field(
        default=1.8, ge=1, le=8, description="Exponent α of the focal optical density."
    )
    fod_mask_threshold: float = Field(
        default=0.68, ge=0, description="Focal optical density from which a pixel is positive."
    )
    fod_input: FodInput = Field(
        default="signed",
        description="Feed the density's formula values in [-1, 1], as the code does and as its "
        "thresholds need, or in [0, 1], which is a measurement.",
    )

    @property
    def focal(self) -> FocalDensity:
        """How densities are measured."""
        return FocalDensity(
            alpha=self.fod_alpha,
            mask_threshold=self.fod_mask_threshold,
            fod_input=self.fod_input,
        )


class PspStainPriorRecipe(DensityRecipe):
    """Switches of the prior; the network is the published one, the schedule is ours."""

    n_epochs: int = Field(default=20, ge=1, description="Epochs at the full learning rate.")
    widths: Five = Field(
        default=_UNET.widths, description="Channels of the five stages, full resolution first."
    )
    dropout: Shares = Field(default=_UNET.dropout, description="Dropout of the five stages.")


class PspStainRecipe(DensityRecipe, PyramidRecipe):
    """Switches of PSPStain; the defaults are the published launcher's (80 epochs, batch 4)."""

    n_epochs: int = Field(default=80, ge=1, description="Epochs at the full learning rate.")
    n_epochs_decay: int = Field(default=0, ge=0, description="Epochs of falling learning rate.")
    lr_d: float = Field(
        default=0.05, gt=0, description="Learning rate of the discriminator, share of lr."
    )
    nce_idt: bool = Field(default=False, description="Also contrast real IHC with its translation.")
    lambda_gp: float = Field(
        default=10.0, ge=0, description="Weight of the Gaussian pyramid; 0 is 'w/o GP'."
    )
    ssim_weights: tuple[float, ...] = Field(
        default=SSIM_WEIGHTS,
        min_length=1,
        max_length=8,
        description="Exponent of each scale of MS-SSIM, full resolution first; five scales need "
        "crops of 176 px.",
    )
    lambda_ssim: float = Field(
        default=0.25,
        ge=0,
        validate_default=True,
        description="Weight of 1 - MS-SSIM (the code's 0.05 times 5); 0 is 'w/o SSIM'.",
    )
    lambda_mlpa: float = Field(
        default=1.0, ge=0, description="Weight of multi-level protein awareness; 0 is 'w/o PALS'."
    )
    fod_threshold: float = Field(
        default=0.15, ge=0, description="Focal optical density below which MLPA sees no protein."
    )
    blocks: int = Field(
        default=4, ge=1, le=16, description="Blocks per side in which MLPA compares protein."
    )
    lambda_ctpc: float = Field(
        default=2.5,
        ge=0,
        description="Weight of cross-image prototype consistency; 0 is 'w/o PCLS'.",
    )
    prior: Path | None = Field(
        default=None,
        description="Segmentation network of positive regions that prototype consistency needs: "
        "the published BCI_unet_seg.pth or MIST_unet_seg.pth, or a model folder of the method "
        "pspstain-prior; without one this term is left out.",
    )
    prior_mode: Literal["train", "eval"] = Field(
        default="train",
        description="How the frozen prior runs: as the code leaves it, normalised over each pair "
        "and with dropout (train), or as it was learned (eval).",
    )
    augmentation: Augmentation = Field(
        default=Augmentation(brightness=0.3, contrast=0.3, saturation=0.2),
        description="Random changes.",
    )

    @property
    def focal(self) -> FocalDensity:
        """How densities are measured."""
        return FocalDensity(
            self.fod_alpha, self.fod_threshold, self.fod_mask_threshold, self.fod_input
        )

    @field_validator("lambda_ssim")
    @classmethod
    def _needs_room(cls, weight: float, others: ValidationInfo) -> float:
        crop, scales = others.data.get("crop_size"), others.data.get("ssim_weights")
        if weight and crop and scales and crop < (least := smallest_side(len(scales))):
            raise ValueError(
                f"MS-SSIM of {len(scales)} scales needs 'crop_size' {least} or more, fewer "
                "'ssim_weights', or weight 0"
            )
        return weight


PRIOR_PRESETS = {
    "paper": PspStainPriorRecipe(augmentation=Augmentation(turn=True)),
    "smoke": PspStainPriorRecipe(
        n_epochs=9,
        n_epochs_decay=3,
        batch_size=2,
        load_size=None,
        crop_size=64,
        widths=(8, 8, 16, 32, 64),
        dropout=(0, 0, 0, 0, 0.1),
        lr=5e-3,
        augmentation=Augmentation(turn=True),
    ),
}

PRESETS = {
    "paper": PspStainRecipe(),
    "smoke": PspStainRecipe(
        n_epochs=3,
        n_epochs_decay=1,
        batch_size=2,
        load_size=None,
        crop_size=64,
        ngf=8,
        n_blocks=2,
        ndf=8,
        n_layers_d=2,
        nce_layers=(0, 4, 8, 12),
        num_patches=64,
        netf_width=32,
        ssim_weights=(0.3, 0.3, 0.4),
        lr=2e-4,
        augmentation=Augmentation(turn=True, brightness=0.3, contrast=0.3, saturation=0.2),
    ),
}
