"""Recipes: the settings of a method as one frozen model, its fields the ablation switches."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_virtual_ihc.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = "virtual-ihc/recipe/1"


class Augmentation(BaseModel):
    """Changes drawn anew for each crop; geometry is shared by the pair, appearance is H&E only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: bool = Field(default=True, description="Mirror the pair left to right half of the time.")
    turn: bool = Field(default=False, description="Turn the pair by multiples of 90 degrees.")
    scale: float = Field(
        default=0.0, ge=0, lt=1, description="Zoom the pair by up to this share, in or out."
    )
    stain: float = Field(
        default=0.0, ge=0, description="Spread (log) of hematoxylin and eosin amounts."
    )
    hue: float = Field(
        default=0.0, ge=0, le=0.3, description="Spread of the stains' own colours, OD unit vectors."
    )
    light: float = Field(
        default=0.0, ge=0, description="Spread of lamp colour and brightness, optical density."
    )
    blur: float = Field(
        default=0.0, ge=0, description="Largest standard deviation of focus blur, pixels."
    )
    sharpen: float = Field(default=0.0, ge=0, description="Largest amount of unsharp masking.")
    noise: float = Field(default=0.0, ge=0, description="Largest sensor noise, grey levels.")
    brightness: float = Field(
        default=0.0, ge=0, description="Largest change of the H&E's brightness, as a share."
    )
    contrast: float = Field(
        default=0.0, ge=0, description="Largest change of the H&E's contrast, as a share."
    )
    saturation: float = Field(
        default=0.0, ge=0, description="Largest change of the H&E's saturation, as a share."
    )
    per_batch: bool = Field(
        default=False,
        description="Draw the appearance once per batch, as if its crops came from one slide.",
    )

    @property
    def changes_appearance(self) -> bool:
        """Whether the H&E is stained, lit or focused anew, beyond geometry and colour jitter."""
        parts = (self.stain, self.hue, self.light, self.blur, self.sharpen, self.noise)
        return any(part > 0 for part in parts)


class Magnification(BaseModel):
    """The scales at which pairs are shown; H&E and IHC always share theirs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sampling: Literal["native", "four-way"] = Field(
        default="native",
        description="Crops at the pictures' own scale, or at four scales by chance.",
    )
    probabilities: tuple[float, float, float, float] = Field(
        default=(0.25, 0.25, 0.25, 0.25),
        description="Chances of a crop as it is, of the whole picture made as small as a crop, and "
        "of a crop enlarged twice and four times; they add up to 1.",
    )
    enlarger: Path | None = Field(
        default=None,
        description="Super-resolution network that enlarges crops, a model folder or BSRGAN's own "
        "file (slow without a GPU); none enlarges by bicubic interpolation.",
    )

    @field_validator("probabilities")
    @classmethod
    def _add_up(cls, chances: tuple[float, ...]) -> tuple[float, ...]:
        if min(chances) < 0 or not math.isclose(sum(chances), 1, abs_tol=1e-6):
            raise ValueError("four chances from 0 that add up to 1 are needed")
        return chances


class Recipe(BaseModel):
    """Settings that every method has; a method adds its own switches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_epochs: int = Field(default=30, ge=1, description="Epochs at the full learning rate.")
    n_epochs_decay: int = Field(
        default=10, ge=0, description="Epochs over which the learning rate falls linearly."
    )
    batch_size: int = Field(default=1, ge=1, description="Crops per step.")
    load_size: int | None = Field(
        default=None, ge=8, description="Resize pictures to this side first; none keeps them."
    )
    decay_at_crop_size: bool = Field(
        default=False,
        description="While the learning rate falls, resize pictures to crop_size instead of "
        "load_size, as the CUT code does; validation and the finished model then see that scale.",
    )
    crop_size: int = Field(default=512, ge=8, multiple_of=4, description="Side of a crop, pixels.")
    sampling: Literal["replacement", "shuffled"] = Field(
        default="replacement",
        description="Draw each pair anew at random (ASP and its heirs), or all once in a random "
        "order, then again in another (pix2pix, CUT, PSPStain).",
    )
    aligned: bool = Field(
        default=True, description="Draw true pairs; otherwise H&E and IHC independently."
    )
    lr: float = Field(default=2e-4, gt=0, description="Learning rate of the generator.")
    beta1: float = Field(default=0.5, ge=0, lt=1, description="First moment decay of Adam.")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Second moment decay of Adam.")
    clip_norm: float | None = Field(
        default=None, gt=0, description="Largest gradient norm; none does not clip."
    )
    ema_decay: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay of the moving average of the artifact's weights, which is then what "
        "is validated and kept; none takes the weights as they are.",
    )
    augmentation: Augmentation = Field(default=Augmentation(), description="Random changes.")
    magnification: Magnification = Field(
        default=Magnification(), description="Scales at which pairs are shown."
    )

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole training."""
        return self.n_epochs + self.n_epochs_decay

    def load_size_at(self, epoch: int) -> int | None:
        """Return the side that pictures are resized to in the 1-based ``epoch``, if they are."""
        decays = self.decay_at_crop_size and self.load_size is not None and epoch > self.n_epochs
        return self.crop_size if decays else self.load_size

    @property
    def final_load_size(self) -> int | None:
        """The side that pictures are resized to at the end of the training, if they are."""
        return self.load_size_at(self.total_epochs)

    def lr_factor(self, epoch: int) -> float:
        """Return the linear policy's factor for the 1-based ``epoch``.

        1 − max(0, e − n_epochs) / (n_epochs_decay + 1), as CUT and pix2pix schedule it.
        """
        return 1.0 - max(0, epoch - self.n_epochs) / (self.n_epochs_decay + 1)

    def epoch_of(self, step: int, steps: int) -> int:
        """Return the 1-based epoch of 0-based ``step`` when the training has ``steps``."""
        return min(self.total_epochs, 1 + step * self.total_epochs // steps)

    def with_settings(self, settings: Iterable[str]) -> Self:
        """Return the recipe with ``field=value`` settings applied (dots reach into groups).

        Raises
        ------
        UsageError
            If a field does not exist or its value is not allowed; the sentence names it.
        """
        content = self.model_dump(mode="json")
        for field, value in values_of(settings).items():
            _place(content, field, value)
        return read_recipe(type(self), content)


R = TypeVar("R", bound=Recipe)


def read_recipe(kind: type[R], content: dict[str, Any]) -> R:
    """Return a recipe from JSON values.

    Raises
    ------
    UsageError
        If a field is unknown, missing or wrong; the sentence names it.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"Recipe field {field!r}: {first['msg']}.") from error


def values_of(settings: Iterable[str]) -> dict[str, Any]:
    """Return the values of ``field=value`` settings, read as JSON where they are.

    Raises
    ------
    UsageError
        If one is not of that form.
    """
    values = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"Setting {setting!r} is not of the form field=value.")
        values[field] = _value(value)
    return values


def _place(content: dict[str, Any], field: str, value: Any) -> None:
    *groups, name = field.split(".")
    place: Any = content
    for group in groups:
        place = place.get(group) if isinstance(place, dict) else None
    if not isinstance(place, dict) or name not in place:
        raise UsageError(f"Recipe field {field!r} does not exist.")
    place[name] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)
