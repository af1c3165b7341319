"""What a training run is, as the one record from which it starts and resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_virtual_ihc.errors import JobError, UsageError
from napari_virtual_ihc.jobs.control import Priority
from napari_virtual_ihc.models.card import Mpp, Stated

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]


class TrainingSettings(BaseModel):
    """All that decides a training; stored in ``run.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field(description="Name of the method in the registry.")
    preset: str = Field(description="Preset the recipe started from.")
    recipe: dict[str, Any] = Field(description="The recipe as JSON values.")
    data: Path = Field(description="Folder of pairs.")
    mpp: Mpp = Field(description="Scale of the pictures, µm/px.")
    marker: Stated = Field(default="unknown", description="What the IHC shows.")
    tissue: Stated = Field(default="unknown", description="Organ or kind of tissue.")
    licence: Stated = Field(default="unknown", description="Terms of the finished model.")
    notes: tuple[str, ...] = Field(default=(), description="Sentences for the model card.")
    steps: int | None = Field(default=None, ge=1, description="Steps; the recipe's where none.")
    start: Path | None = Field(
        default=None, description="Run folder whose last weights this training starts from."
    )
    registered: bool = Field(
        default=False, description="Whether the IHC was registered onto the H&E, for the card."
    )
    seed: int = Field(default=0, ge=0, description="Seed of weights and sampling.")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps.")
    precision: Precision = Field(
        default="auto",
        description="Of passes through networks: 32-true, bf16-mixed, 16-mixed (CUDA), or auto, "
        "bf16-mixed where the hardware has it.",
    )
    gpu_priority: Priority = Field(
        default="training",
        description="Who goes first where a window translates on the same device.",
    )
    finish_with: Literal["last", "best"] = Field(
        default="last", description="Which weights become the model, best by validation."
    )
    checkpoint_steps: int = Field(default=1000, ge=1, description="Steps between checkpoints.")
    checkpoint_seconds: float = Field(default=300, gt=0, description="Longest time between them.")
    sample_steps: int = Field(default=500, ge=1, description="Steps between sample pictures.")
    validation_steps: int = Field(default=1000, ge=1, description="Steps between validations.")
    validation_pairs: int = Field(default=64, ge=0, description="Held-out pairs that are used.")

    @classmethod
    def given(cls, fields: dict[str, Any]) -> Self:
        """Return the settings that a user gave; UsageError names a field that is wrong."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            field, reason = _first(error)
            raise UsageError(f"Setting {field!r}: {reason}.") from error

    def changed(self, fields: dict[str, Any]) -> Self:
        """Return these settings with some changed by a user; raises as `given` does."""
        return self.given(self.model_dump() | fields)

    @classmethod
    def read(cls, facts: dict[str, Any], where: Path) -> Self:
        """Read the settings from the facts of a run.

        Raises
        ------
        JobError
            If they are missing or a field is wrong; the sentence names it.
        """
        try:
            return cls.model_validate(facts.get("settings"))
        except ValidationError as error:
            field, reason = _first(error)
            raise JobError(f"{where}, field 'settings.{field}': {reason}.") from error


def _first(error: ValidationError) -> tuple[str, str]:
    first = error.errors()[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]
