"""From a finished training to a model folder whose card says how it came to be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_virtual_ihc.models.card import ColourStatistics, ModelCard
from napari_virtual_ihc.models.folder import save_model
from napari_virtual_ihc.networks.norm import norm_layers
from napari_virtual_ihc.networks.radius import dependency_radius
from napari_virtual_ihc.networks.registry import configure
from napari_virtual_ihc.networks.resnet import ResnetConfig
from napari_virtual_ihc.stains.tissue import tissue_mask
from napari_virtual_ihc.stains.unmix import unmix
from napari_virtual_ihc.stains.vectors import H_DAB, H_E, StainVectors
from napari_virtual_ihc.training.data import PairFolder, load
from napari_virtual_ihc.training.magnification import magnification_notes
from napari_virtual_ihc.training.validation import inference_state

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.models.card import ValidationFigure
    from napari_virtual_ihc.training.settings import TrainingSettings

_COLOUR_PAIRS = 64
_RECIPE_SCHEMA = "virtual-ihc/recipe/1"


def finish(
    folder: Path,
    method: Method,
    data: PairFolder,
    settings: TrainingSettings,
    validation: tuple[ValidationFigure, ...],
) -> Path:
    """Write the generator of ``method`` as a model folder."""
    arguments, state = inference_state(method)
    card = _card(method, arguments, data, settings, validation)
    return save_model(folder, card, state, command="train", replace=True)


def _card(
    method: Method,
    arguments: dict[str, object],
    data: PairFolder,
    settings: TrainingSettings,
    validation: tuple[ValidationFigure, ...],
) -> ModelCard:
    name, _ = method.architecture()
    config = configure(name, arguments)
    exact = isinstance(config, ResnetConfig)
    he, ihc = colours(data)
    scales = magnification_notes(method.recipe.magnification)
    return ModelCard(
        name=model_name(method.name, settings.marker),
        kind=method.artifact,
        method=method.title,
        recipe=described(method, settings),
        architecture=name,
        arguments=dict(arguments),
        marker=settings.marker,
        tissue=settings.tissue,
        mpp_in=settings.mpp,
        mpp_out=settings.mpp,
        tiling="exact" if exact else "blended",
        dependency_radius=dependency_radius(config) if isinstance(config, ResnetConfig) else None,
        default_statistics="slide" if norm_layers(method.generator()) else "none",
        input_colour=he,
        output_colour=ihc,
        data_regime="paired" if method.recipe.aligned else "unpaired",
        data_fingerprint=data.fingerprint,
        validation=validation,
        licence=settings.licence,
        notes=(*settings.notes, *method.notes, *scales),
    )


def described(method: Method, settings: TrainingSettings) -> dict[str, Any]:
    """Return recipe, preset, seed and library versions as JSON values."""
    return {
        "schema": _RECIPE_SCHEMA,
        "method": method.name,
        "written_from": method.fidelity,
        "preset": settings.preset,
        "steps": settings.steps,
        "seed": settings.seed,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "fields": method.recipe.model_dump(mode="json"),
    }


def model_name(method: str, marker: str) -> str:
    """Return a model name of letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{method}-{marker}")[:64]


def colours(data: PairFolder) -> tuple[ColourStatistics, ColourStatistics]:
    """Return the stain statistics of H&E and IHC over the tissue of some training pairs."""
    he_values, ihc_values = [], []
    for pair in data.train[:_COLOUR_PAIRS]:
        he, ihc = load(pair)
        mask = tissue_mask(he, data.mpp)
        he_values.append(unmix(he, H_E)[mask])
        ihc_values.append(unmix(ihc, H_DAB)[mask])
    return _statistics(he_values, H_E), _statistics(ihc_values, H_DAB)


def _statistics(values: list[NDArray[np.float32]], vectors: StainVectors) -> ColourStatistics:
    pixels = np.concatenate(values) if values else np.zeros((0, 3), np.float32)
    pixels = pixels if len(pixels) else np.zeros((1, 3), np.float32)
    return ColourStatistics(
        stains=tuple(vectors.names),
        mean=tuple(round(float(v), 5) for v in pixels.mean(axis=0)),
        std=tuple(round(float(v), 5) for v in pixels.std(axis=0)),
        vectors=vectors.source,
    )
