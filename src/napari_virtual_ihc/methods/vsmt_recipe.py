"""The switches of VSMT."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from napari_virtual_ihc.losses.distillation import guidance_ramp, guidance_weight
from napari_virtual_ihc.methods.contrastive_recipe import PyramidRecipe

_STRIDE = 4
"""Image pixels per feature pixel, of the generator's residual blocks and the task networks."""


class VsmtRecipe(PyramidRecipe):
    """Switches of VSMT; the defaults are the published code's (60 + 10 epochs)."""

    n_epochs: int = Field(default=60, ge=1, description="Epochs at the full learning rate.")
    nce_idt: bool = Field(default=False, description="Also contrast real IHC with its translation.")
    lambda_gp: float = Field(default=15.0, ge=0, description="Weight of the Gaussian pyramid.")
    lambda_std: float = Field(
        default=0.01, ge=0, description="Weight of the constraint on variances; 0 is 'w/o std'."
    )

    features: Literal["auxiliaries", "generator"] = Field(
        default="auxiliaries",
        description="Guide by the task networks below, or, for trials without them and no variant "
        "of the paper, by the generator's own encoder.",
    )
    he_classification: Path | None = Field(
        default=None, description="Model folder of vsmt-classification, stain=he; none: left out."
    )
    he_reconstruction: Path | None = Field(
        default=None, description="Model folder of vsmt-reconstruction, stain=he; none: left out."
    )
    ihc_classification: Path | None = Field(
        default=None, description="Model folder of vsmt-classification, stain=ihc; none: left out."
    )
    ihc_reconstruction: Path | None = Field(
        default=None, description="Model folder of vsmt-reconstruction, stain=ihc; none: left out."
    )
    he_semantics: bool = Field(
        default=True, description="Fuse H&E features too; false is 'w/o H&E semantics'."
    )
    reconstruction: bool = Field(
        default=True, description="Use the reconstructions; false is 'w/o reconstruction'."
    )

    guidance: bool = Field(
        default=True, description="Guide the generator by fused features; false is 'no FG'."
    )
    guide_loss: Literal["projected_l1", "l2"] = Field(
        default="projected_l1",
        description="Distance to guided features: L1 after a learned projection (code), or L2.",
    )
    lambda_guide: float = Field(default=15.0, ge=0, description="Final weight of the guidance.")
    ramp_epochs: float = Field(
        default=5.0, ge=0, description="Epochs until that weight, by the tenth power of time."
    )
    ramp_pictures: int = Field(
        default=4000, ge=1, description="Pictures that make an epoch of the ramp."
    )
    guided_layers: tuple[int, int] = Field(
        default=(13, 17),
        validate_default=True,
        description="Residual blocks of G that fused features are added to.",
    )
    distilled_layers: tuple[int, ...] = Field(
        default=(13, 15, 17),
        min_length=1,
        validate_default=True,
        description="Residual blocks of G whose features are guided.",
    )
    guide_width: int = Field(
        default=128, ge=1, description="Channels of the projections and of the structure head."
    )

    alignment: Literal["matching", "transport", "none"] = Field(
        default="matching",
        description="How IHC features are moved onto the H&E: active-passive matching (APM), "
        "optimal transport ('OT'), or not at all ('TA only').",
    )
    n_classes: int = Field(default=3, ge=2, le=6, description="Classes K of the matching.")
    kmeans_iterations: int = Field(default=64, ge=1, description="Iterations of k-means.")
    transport_epsilon: float = Field(default=0.1, gt=0, description="Entropy ε of 'OT'.")
    block: int = Field(
        default=64,
        ge=8,
        validate_default=True,
        description="Side of the blocks that are moved, image pixels, a power of two.",
    )
    lambda_match: float = Field(
        default=1.0, ge=0, description="Weight of moved real features resembling virtual ones."
    )
    lambda_task: float = Field(
        default=1.0, ge=0, description="Weight of fused features being like moved; 0: 'SA only'."
    )
    lambda_sel: float = Field(
        default=0.1, ge=0, description="Weight of the structure contrast; 0 is 'w/o SEL'."
    )
    sel_temperature: float = Field(default=0.15, gt=0, description="Temperature of that contrast.")
    sel_margin: float = Field(default=1.2, description="Margin taken off its negatives.")
    lambda_gan_guided: float = Field(
        default=2.0, ge=0, description="Adversarial weight of the guided picture."
    )
    lambda_nce_guided: float = Field(
        default=1.0, ge=0, description="PatchNCE weight of the guided picture."
    )
    lambda_gp_guided: float = Field(
        default=15.0, ge=0, description="Gaussian pyramid's weight of the guided picture."
    )
    refresh_steps: int = Field(
        default=100,
        ge=1,
        description="Steps between copies of D to the guided picture's judge, and between draws "
        "of the elastic strength.",
    )

    @property
    def grid(self) -> int:
        """Blocks along a side of the crop."""
        return self.crop_size // self.block

    @property
    def halvings(self) -> int:
        """Halvings from features to blocks."""
        return (self.block // _STRIDE).bit_length() - 1

    @property
    def projects(self) -> bool:
        """Whether guidance is measured after the projection DP."""
        return self.guide_loss == "projected_l1" and self.lambda_guide > 0

    @property
    def moves(self) -> bool:
        """Whether IHC features are moved."""
        return self.alignment != "none"

    @property
    def compares(self) -> bool:
        """Whether moved, virtual and fused features are compared, after the projection DP2."""
        return self.lambda_task > 0 or (self.moves and self.lambda_match > 0)

    @property
    def contrasts(self) -> bool:
        """Whether the structure head learns by contrast."""
        return self.moves and self.lambda_sel > 0

    def guide_weight(self, step: int, pictures: int) -> float:
        """Return the weight of the guidance at a 0-based step of ``pictures`` pictures each."""
        ramp = guidance_ramp(self.ramp_epochs, self.ramp_pictures, pictures)
        return guidance_weight(step, ramp, self.lambda_guide)

    @field_validator("guided_layers", "distilled_layers")
    @classmethod
    def _are_residual(cls, layers: tuple[int, ...], others: ValidationInfo) -> tuple[int, ...]:
        first = 12 if others.data.get("antialias") else 10
        last = first + others.data.get("n_blocks", 0) - 1
        if list(layers) != sorted(set(layers)) or not first <= layers[0] <= layers[-1] <= last:
            raise ValueError(f"these are ascending residual blocks, layers {first} to {last}")
        return layers

    @field_validator("block")
    @classmethod
    def _cut_the_crop(cls, block: int, others: ValidationInfo) -> int:
        crop, classes = others.data.get("crop_size", block), others.data.get("n_classes", 1)
        if block & (block - 1) or crop % block or (crop // block) ** 2 < max(4, classes):
            raise ValueError(
                f"a power of two that cuts a crop of {crop} px into at least 2 × 2 blocks is needed"
            )
        return block
