"""The settings of MIU-Diff's two trainings: what a diffusion needs, score network and estimator.

No code of MIU-Diff is public; where its paper leaves a choice, a description says "our reading".
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from napari_virtual_ihc.losses.mutual_information import Bound  # noqa: TC001
from napari_virtual_ihc.methods.recipe import Augmentation, Recipe
from napari_virtual_ihc.networks.score_unet import SIZES
from napari_virtual_ihc.sampling.schedule import VpSchedule
from napari_virtual_ihc.sampling.structure import StructureProxy  # noqa: TC001

_MIRRORED = Augmentation(flip=True, turn=True)


class DiffusionRecipe(Recipe):
    """What both trainings share; the paper's pictures are 1024 px seen at 256."""

    aligned: bool = Field(
        default=False, description="Draw true pairs; the H&E is not looked at, so that it is moot."
    )
    batch_size: int = Field(default=4, ge=1, description="Crops per step.")
    load_size: int | None = Field(
        default=256, ge=8, description="Resize pictures to this side first; none keeps them."
    )
    crop_size: int = Field(default=256, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    n_epochs: int = Field(
        default=35, ge=1, description="Epochs; 35 of MIST's are the paper's 40 000 steps."
    )
    n_epochs_decay: int = Field(
        default=0, ge=0, description="Epochs over which the learning rate falls linearly."
    )
    lr: float = Field(default=1e-4, gt=0, description="Learning rate.")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="First moment decay of Adam.")
    augmentation: Augmentation = Field(
        default=_MIRRORED, description="Random changes; mirrored both ways (our reading)."
    )
    train_steps: int = Field(default=1000, ge=10, le=10000, description="Steps T of the schedule.")
    beta_first: float = Field(default=1e-4, gt=0, lt=0.5, description="β of the first step.")
    beta_last: float = Field(
        default=0.02,
        gt=0,
        lt=0.5,
        validate_default=True,
        description="β of the last step; those between lie on a line.",
    )

    @field_validator("beta_last")
    @classmethod
    def _rises(cls, last: float, info: ValidationInfo) -> float:
        if last < info.data.get("beta_first", 0):
            raise ValueError("the last β must not be less than the first")
        return last

    @property
    def schedule(self) -> VpSchedule:
        """The noise schedule."""
        return VpSchedule(self.train_steps, self.beta_first, self.beta_last)


class MiuDiffRecipe(DiffusionRecipe):
    """Switches of the score network; the defaults are the paper's as far as it states them."""

    size: Literal["paper", "small", "tiny"] = Field(
        default="paper",
        validate_default=True,
        description="Network: that of guided-diffusion for 256 px (our reading), one that learns "
        "64 to 128 px in minutes, or one for trials.",
    )
    weight_decay: float = Field(
        default=0.01, ge=0, description="Weight decay of AdamW (our reading)."
    )
    ema_decay: float | None = Field(
        default=0.9999,
        gt=0,
        lt=1,
        description="Decay of the moving average of the weights, which is then what is validated "
        "and kept (our reading); none is 'w/o EMA'.",
    )

    learned_below: int | None = Field(
        default=None,
        ge=10,
        validate_default=True,
        description="Learn from pictures noised to steps below this only, which is what a chain "
        "from noised H&E visits; none learns them all, as the paper.",
    )

    @property
    def learned_steps(self) -> int:
        """How many steps of the schedule, from the first, are learned."""
        return self.train_steps if self.learned_below is None else self.learned_below

    @field_validator("learned_below")
    @classmethod
    def _has_so_many_steps(cls, below: int | None, info: ValidationInfo) -> int | None:
        if below is not None and below > info.data.get("train_steps", below):
            raise ValueError("it lies beyond the schedule's steps")
        return below

    @field_validator("size")
    @classmethod
    def _fits_the_crop(cls, size: str, info: ValidationInfo) -> str:
        stride, crop = SIZES[size].stride, info.data.get("crop_size", 0)
        if crop % stride:
            raise ValueError(f"a network of size {size!r} needs a crop_size that {stride} divides")
        return size


class MiuDiffEstimatorRecipe(DiffusionRecipe):
    """Switches of the estimator of mutual information; the paper states that it is of MINE type."""

    batch_size: int = Field(
        default=8, ge=2, description="Crops per step; shuffling needs two (our reading: 8)."
    )
    n_epochs: int = Field(default=20, ge=1, description="Epochs (our reading).")
    start: int = Field(
        default=300,
        ge=1,
        validate_default=True,
        description="S: pictures are noised to steps below it, where the sampler will ask.",
    )
    noised: bool = Field(
        default=True,
        description="Learn from noised IHC and its step, for guidance at the noised sample; else "
        "from clean IHC, for guidance at the estimate of the clean picture (our reading: noised).",
    )
    structure: StructureProxy = Field(
        default="gradient",
        description="Structure of the IHC: gradient map, smoothed luminance, or edges.",
    )
    bound: Bound = Field(
        default="donsker_varadhan", description="Bound that is raised: Donsker-Varadhan or NWJ."
    )
    correction_rate: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="Rate of the moving average that corrects the Donsker-Varadhan gradient; 1 is "
        "'w/o bias correction'.",
    )
    widths: tuple[int, ...] = Field(
        default=(32, 64, 128),
        description="Channels of either encoder after each halving of the side (our reading).",
    )

    @field_validator("start")
    @classmethod
    def _lies_on_the_schedule(cls, start: int, info: ValidationInfo) -> int:
        if start > info.data.get("train_steps", start):
            raise ValueError("S lies beyond the schedule's steps")
        return start


SCORE_PRESETS: dict[str, Recipe] = {
    "paper": MiuDiffRecipe(),
    "small": MiuDiffRecipe(
        size="small",
        load_size=None,
        crop_size=64,
        batch_size=8,
        n_epochs=100,
        n_epochs_decay=20,
        lr=5e-4,
        ema_decay=0.999,
        learned_below=500,
    ),
    "smoke": MiuDiffRecipe(
        size="tiny",
        load_size=None,
        crop_size=64,
        batch_size=4,
        n_epochs=20,
        n_epochs_decay=10,
        lr=2e-3,
        ema_decay=0.98,
    ),
}
ESTIMATOR_PRESETS: dict[str, Recipe] = {
    "paper": MiuDiffEstimatorRecipe(),
    "small": MiuDiffEstimatorRecipe(
        load_size=None, crop_size=64, batch_size=16, n_epochs=100, n_epochs_decay=20, lr=5e-4
    ),
    "smoke": MiuDiffEstimatorRecipe(
        load_size=None,
        crop_size=64,
        batch_size=8,
        n_epochs=40,
        n_epochs_decay=10,
        lr=1e-3,
        widths=(16, 32, 64),
    ),
}
