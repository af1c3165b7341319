"""How a diffusion is sampled: one model whose fields are the switches of the papers' ablations.

No code of MIU-Diff is public. Where its paper leaves a choice, the field's description says
"our reading", so that an author's correction is a change of a default.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.sampling.entropy import EntropyKind
from napari_virtual_ihc.sampling.schedule import Spacing, VpSchedule
from napari_virtual_ihc.sampling.steps import Variance
from napari_virtual_ihc.sampling.structure import StructureProxy

SamplerKind = Literal["ddpm", "ddim", "dpm"]


class SamplerRecipe(BaseModel):
    """Settings of a guided reverse chain; the defaults are MIU-Diff's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    train_steps: int = Field(
        default=1000,
        ge=2,
        le=10000,
        description="Steps T of the schedule the score was trained on.",
    )
    beta_first: float = Field(default=1e-4, gt=0, lt=1, description="β of the first step.")
    beta_last: float = Field(
        default=0.02, gt=0, lt=1, description="β of the last step; those between lie on a line."
    )
    start: int = Field(
        default=300,
        ge=1,
        description="S: the H&E is noised by so many steps of the schedule, then denoised. The "
        "paper's N of 100, 200, 300 and 500 is S and steps at once (our reading).",
    )
    steps: int = Field(
        default=300, ge=1, description="Reverse steps, spread over the S; at most S."
    )
    spacing: Spacing = Field(
        default="even",
        description="Steps spread evenly, or more of them towards the end, which DPM-Solver++ "
        "needs where they are few.",
    )
    sampler: SamplerKind = Field(
        default="ddpm",
        description="DDPM (the paper's), or DDIM and DPM-Solver++(2M), which need far fewer steps.",
    )
    variance: Variance = Field(
        default="posterior", description="Variance of DDPM steps: the posterior's, or β."
    )
    guidance: Literal["information", "energies", "off"] = Field(
        default="information",
        description="Mutual information (MIU-Diff), EGSDE's energies, or none ('w/o MI').",
    )
    guidance_sign: Literal[1, -1] = Field(
        default=1, description="1 makes M large, −1 makes it small (our reading: 1)."
    )
    guidance_scale: float = Field(
        default=0.02,
        ge=0,
        description="κ: a step of the schedule shifts its mean by κ Σ ∇M, or by κ √Σ per unit RMS "
        "of ∇M where gradients are normalised (our reading).",
    )
    guidance_norm: Literal["terms", "unit", "raw"] = Field(
        default="terms",
        description="Normalise ∇H and ∇I to unit RMS over each picture, so that λ alone weighs "
        "them; or their sum ∇M; or take it raw with a κ as EGSDE's (our reading: terms).",
    )
    guidance_clip: float = Field(
        default=1.0,
        gt=0,
        description="Largest shift of a value by a step of the schedule, in [-1, 1] units; it "
        "matters where gradients are raw (our reading).",
    )
    guide_on: Literal["y_t", "y0_hat"] = Field(
        default="y_t",
        description="Evaluate M at the noised sample, as the paper writes it, or at the estimate "
        "of the clean picture, with a statistics network trained on clean ones (our reading).",
    )
    bound: Literal["donsker_varadhan", "nwj"] = Field(
        default="donsker_varadhan",
        description="Bound on mutual information; the one that the statistics network learned by.",
    )
    guide_every: int = Field(
        default=1, ge=1, description="Compute ∇M every so many steps, and keep it between."
    )
    lambda_schedule: Literal["linear", "constant"] = Field(
        default="linear",
        description="λ at index i is (i + 1) / S, or constant ('w/o λ schedule').",
    )
    lambda_constant: float = Field(
        default=0.5, ge=0, le=1, description="λ where it is constant (our reading)."
    )
    entropy: EntropyKind = Field(
        default="histogram",
        description="H(y): soft histogram of the luminance in 64 bins, log-determinant of the "
        "colours' covariance, or none (our reading: histogram).",
    )
    structure: StructureProxy = Field(
        default="gradient",
        description="Structure of the H&E: gradient map, smoothed luminance, or edges.",
    )
    marginal_views: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Rolled and mirrored maps that stand for other places (our reading).",
    )
    t0_refine: int = Field(
        default=40,
        ge=0,
        description="t'0: steps of the schedule before the end from which patches are refined.",
    )
    refinement: Literal["off", "l2", "pcl"] = Field(
        default="pcl",
        description="Patch contrast, squared distance of the same features ('ℓ2'), or off "
        "('w/o PCL').",
    )
    refine_rms: float = Field(
        default=0.01, ge=0, description="RMS of a refining shift, values in [-1, 1] (our reading)."
    )
    refine_steps: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Refining shifts after a step: one along the gradient, or several of Adam, "
        "each of about that RMS (our reading: one).",
    )
    refine_patches: int = Field(
        default=256, ge=2, description="Places per scale that are contrasted (our reading)."
    )
    refine_temperature: float = Field(
        default=0.07, gt=0, description="Temperature τ of the contrast (our reading)."
    )
    lambda_s: float = Field(
        default=500.0,
        ge=0,
        description="EGSDE's weight of the domain energy, which needs a classifier of noised "
        "pictures; no model has one, so that it is left out whatever the weight.",
    )
    lambda_i: float = Field(
        default=2.0, ge=0, description="EGSDE's weight of the low-pass energy; 0 is 'w/o E_i'."
    )
    low_pass: int = Field(default=32, ge=2, description="EGSDE's low-pass filter shrinks by this.")
    colour: Literal["reinhard", "luminance", "none"] = Field(
        default="reinhard",
        description="Colours of the H&E before noise: those of the training IHC (LAB mean and "
        "deviation, Reinhard), its lightness alone in the IHC's mean hue, so that the chain is "
        "left to choose between brown and blue, or its own (our reading: reinhard).",
    )

    @model_validator(mode="after")
    def _lies_on_the_schedule(self) -> Self:
        if self.beta_first > self.beta_last:
            raise ValueError("'beta_first' must not exceed 'beta_last'")
        if self.start > self.train_steps:
            raise ValueError(
                f"'start' is {self.start}, beyond the {self.train_steps} trained steps"
            )
        if self.steps > self.start:
            raise ValueError(f"'steps' is {self.steps}, more than the {self.start} of 'start'")
        if self.refinement != "off" and self.t0_refine > self.start:
            raise ValueError(
                f"'t0_refine' is {self.t0_refine}, more than the {self.start} of 'start'"
            )
        return self

    @property
    def schedule(self) -> VpSchedule:
        """The noise schedule."""
        return _schedule(self.train_steps, self.beta_first, self.beta_last)

    @property
    def indices(self) -> tuple[int, ...]:
        """Indices of the schedule at which the score is evaluated, in the order of the chain."""
        return self.schedule.grid(self.start, self.steps, self.spacing)

    def uncertainty_share(self, index: int) -> float:
        """Return λ at an index, 0 to 1."""
        if self.lambda_schedule == "constant":
            return self.lambda_constant
        return (index + 1) / self.start

    def refines(self, index: int) -> bool:
        """Return whether patches are refined after the step from ``index``."""
        return self.refinement != "off" and index < self.t0_refine


@lru_cache(maxsize=8)
def _schedule(steps: int, first: float, last: float) -> VpSchedule:
    return VpSchedule(steps, first, last)


PRESETS: dict[str, SamplerRecipe] = {
    "miu-diff": SamplerRecipe(),
    "miu-diff-50": SamplerRecipe(sampler="dpm", steps=50, spacing="quadratic"),
    "miu-diff-20": SamplerRecipe(sampler="dpm", steps=20, spacing="quadratic"),
    "miu-diff-10": SamplerRecipe(sampler="dpm", steps=10, spacing="quadratic"),
    "egsde": SamplerRecipe(
        start=500, steps=500, guidance="energies", refinement="off", colour="none"
    ),
    "unguided": SamplerRecipe(guidance="off", refinement="off"),
}
"""MIU-Diff as published and with fewer steps, EGSDE, and the chain that neither guides."""

ABLATIONS: dict[str, dict[str, object]] = {
    "N = 100": {"start": 100, "steps": 100},
    "N = 200": {"start": 200, "steps": 200},
    "N = 500": {"start": 500, "steps": 500},
    "t'0 = 10": {"t0_refine": 10},
    "t'0 = 80": {"t0_refine": 80},
    "constant λ": {"lambda_schedule": "constant"},
    "w/o PCL": {"refinement": "off"},
    "ℓ2 for PCL": {"refinement": "l2"},
    "w/o MI": {"guidance": "off"},
}
"""Row of MIU-Diff's ablation tables → fields that differ from its preset."""


def read_sampler(content: dict[str, Any]) -> SamplerRecipe:
    """Return a recipe from JSON values.

    Raises
    ------
    UsageError
        If a field is unknown or wrong, or steps are out of range; the sentence names it.
    """
    try:
        return SamplerRecipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise UsageError(f"Sampler: {reason}.") from error
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"Sampler field {field!r}: {reason}.") from error
