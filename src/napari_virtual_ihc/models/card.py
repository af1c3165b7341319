"""The model card: all that is needed to run a model and to judge it, as one validated record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_virtual_ihc.errors import ModelError, VirtualIhcError
from napari_virtual_ihc.files import read_json, write_json
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY, stamp

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "virtual-ihc/model/1"
CARD_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
UNKNOWN: Literal["unknown"] = "unknown"
STANDARD_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Unknown = Literal["unknown"]
StatisticsMode = Literal["slide", "tile", "dense", "none"]
Level = Annotated[int, Field(ge=0, le=255)]
LEAST_MPP, MOST_MPP = 0.01, 100.0
Mpp = Annotated[float, Field(gt=LEAST_MPP, lt=MOST_MPP)]
"""Scale in µm/px."""
Stated = Annotated[str, AfterValidator(lambda words: words.strip() or UNKNOWN)]
"""A fact in words; what is left empty is unknown."""
_STAMP = ("schema", "command", "version")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ColourStatistics(_Part):
    """Mean and standard deviation of stain densities (OD) over a training set's tissue."""

    stains: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    vectors: str

    @model_validator(mode="after")
    def _one_value_per_stain(self) -> ColourStatistics:
        if not len(self.stains) == len(self.mean) == len(self.std):
            raise ValueError("stains, mean and std must have one entry per stain")
        return self


class TextureStatistics(_Part):
    """Mean and standard deviation of a measure of texture over windows of a training set."""

    mean: float
    std: float = Field(gt=0)
    windows: int = Field(ge=1)
    protocol: str


class ValidationFigure(_Part):
    """One number with the protocol that makes it comparable."""

    name: str
    value: float
    protocol: str
    n: int | None = Field(default=None, ge=1)


class ModelCard(_Part):
    """What ``model.json`` holds; facts that nobody stated are the string ``unknown``.

    Attributes
    ----------
    architecture, arguments
        Name and JSON arguments for `networks.registry.build`.
    mpp_in, mpp_out
        µm/px of the H&E the model reads and of the IHC it gives.
    tiling
        ``exact``: with frozen statistics a tile and its halo equal the whole image; ``blended``:
        the network has no useful finite reach; ``none``: it makes no pictures of slides.
    dependency_radius
        Input pixels around an output pixel that it depends on; None where not finite.
    default_statistics
        Where instance-norm statistics come from; ``none`` where the network needs none.
    reference_test_mode
        Run as the pix2pix codes test without ``--eval``: each norm by the statistics of the picture
        it sees, dropout active. Needs tiling ``blended``: blocks of tiles are such pictures.
    background
        RGB of glass in exports.
    input_colour, output_colour
        Stain densities of the training H&E and IHC.
    input_texture
        How fine the training H&E is at the model's scale; see `measures.fineness`.
    output_lab
        CIELAB of the training IHC, to which a diffusion moves the colours of the H&E.
    sampler
        How a diffusion is sampled unless asked otherwise: fields of
        `sampling.recipe.SamplerRecipe`.
    weights_sha256
        Of ``weights.safetensors``; filled when the model is saved.
    """

    name: str = Field(pattern=STANDARD_NAME)
    kind: Literal["generator", "diffusion", "score", "auxiliary", "estimator", "encoder"] = (
        "generator"
    )
    method: str = UNKNOWN
    recipe: dict[str, Any] | Unknown = UNKNOWN
    architecture: str
    arguments: dict[str, Any]
    marker: Stated = UNKNOWN
    tissue: Stated = UNKNOWN
    mpp_in: Mpp
    mpp_out: Mpp
    tiling: Literal["exact", "blended", "none"]
    dependency_radius: int | None = Field(default=None, ge=0)
    default_statistics: StatisticsMode = "slide"
    reference_test_mode: bool = False
    background: tuple[Level, Level, Level] = (240, 240, 240)
    input_colour: ColourStatistics | Unknown = UNKNOWN
    output_colour: ColourStatistics | Unknown = UNKNOWN
    input_texture: TextureStatistics | Unknown = UNKNOWN
    output_lab: ColourStatistics | Unknown = UNKNOWN
    sampler: dict[str, Any] | Unknown = UNKNOWN
    data_regime: str = UNKNOWN
    data_fingerprint: str = UNKNOWN
    validation: tuple[ValidationFigure, ...] = ()
    licence: Stated = UNKNOWN
    intended_use: str = RESEARCH_USE_ONLY
    source_sha256: str = UNKNOWN
    notes: tuple[str, ...] = ()
    weights_sha256: str = UNKNOWN

    @model_validator(mode="after")
    def _exact_needs_a_radius(self) -> ModelCard:
        if self.tiling == "exact" and self.dependency_radius is None:
            raise ValueError("tiling 'exact' needs a dependency_radius")
        return self

    @model_validator(mode="after")
    def _a_picture_is_a_block(self) -> ModelCard:
        if self.reference_test_mode and self.tiling != "blended":
            raise ValueError("reference_test_mode needs tiling 'blended'")
        return self


def read_card(folder: Path) -> ModelCard:
    """Return the card of a model folder, without touching its weights.

    Raises
    ------
    ModelError
        Naming the file and field, if the card is missing, damaged or of another schema.
    """
    path = folder / CARD_FILE
    try:
        content = read_json(path, schema=SCHEMA)
    except VirtualIhcError as error:
        raise ModelError(str(error)) from error
    fields = {key: value for key, value in content.items() if key not in _STAMP}
    try:
        return ModelCard.model_validate(fields)
    except ValidationError as error:
        raise ModelError(f"{path}, {first_problem(error)}") from error


def write_card(folder: Path, card: ModelCard, command: str) -> None:
    """Write ``card`` as ``model.json`` of ``folder``."""
    write_json(folder / CARD_FILE, stamp(SCHEMA, command) | card.model_dump(mode="json"))


def first_problem(error: ValidationError) -> str:
    """Return ``field 'x': reason.`` of the first problem of a validation."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the card as a whole"
    return f"field {field!r}: {first['msg']}."
