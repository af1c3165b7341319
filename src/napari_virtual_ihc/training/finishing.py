"""From a finished training to a model folder whose card says how it came to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.models.card import UNKNOWN, ColourStatistics
from napari_virtual_ihc.models.folder import save_model
from napari_virtual_ihc.stains.lab import CHANNELS, CIELAB, lab_statistics
from napari_virtual_ihc.stains.tissue import tissue_mask
from napari_virtual_ihc.stains.unmix import unmix
from napari_virtual_ihc.stains.vectors import H_DAB, H_E, StainVectors
from napari_virtual_ihc.training.augment import bicubic
from napari_virtual_ihc.training.cards import described, plain_card
from napari_virtual_ihc.training.data import PairFolder, load
from napari_virtual_ihc.training.magnification import magnification_notes
from napari_virtual_ihc.training.product import inference_state
from napari_virtual_ihc.training.texture import texture_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_virtual_ihc.methods.base import Method
    from napari_virtual_ihc.models.card import ModelCard, ValidationFigure
    from napari_virtual_ihc.training.settings import TrainingSettings

_COLOUR_PAIRS = 64


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes
    ----------
    weights
        State dict of the artifact.
    figures
        Validation figures of these weights.
    ran
        Device, precision, processes and which weights these are, as JSON values.
    notes
        More sentences for the card.
    """

    weights: Mapping[str, Tensor]
    figures: tuple[ValidationFigure, ...]
    ran: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def finish(
    folder: Path,
    method: Method,
    data: PairFolder,
    settings: TrainingSettings,
    mpp: float,
    outcome: Outcome,
) -> Path:
    """Write what ``method`` trained as a model folder; ``mpp`` is the scale it was shown."""
    arguments, state = inference_state(method, outcome.weights)
    card = _card(method, plain_card(method, arguments, settings, mpp), data, settings, outcome)
    return save_model(folder, card, state, command="train", replace=True)


def _card(
    method: Method,
    plain: ModelCard,
    data: PairFolder,
    settings: TrainingSettings,
    outcome: Outcome,
) -> ModelCard:
    he, ihc = colours(data)
    scales = magnification_notes(method.recipe.magnification)
    return plain.model_copy(
        update={
            "recipe": described(method, settings, outcome.ran),
            "input_colour": he,
            "output_colour": ihc,
            "input_texture": texture_of(he_pictures(data, plain.mpp_in), plain.mpp_in),
            "output_lab": lab_colours(data) if method.artifact == "score" else UNKNOWN,
            "data_fingerprint": data.fingerprint,
            "validation": outcome.figures,
            "notes": (*settings.notes, *method.notes, *scales, *outcome.notes),
        }
    )


def colours(data: PairFolder) -> tuple[ColourStatistics, ColourStatistics]:
    """Return the stain statistics of H&E and IHC over the tissue of some training pairs."""
    he_values, ihc_values = [], []
    for pair in data.train[:_COLOUR_PAIRS]:
        he, ihc = load(pair)
        mask = tissue_mask(he, data.mpp)
        he_values.append(unmix(he, H_E)[mask])
        ihc_values.append(unmix(ihc, H_DAB)[mask])
    return _statistics(he_values, H_E), _statistics(ihc_values, H_DAB)


def he_pictures(data: PairFolder, mpp: float) -> Iterator[NDArray[np.uint8]]:
    """Yield the H&E of some training pairs at the scale that the model was shown."""
    for pair in data.train[:_COLOUR_PAIRS]:
        he, _ = load(pair)
        side = max(round(min(he.shape[:2]) * data.mpp / mpp), 1)
        square = he[: min(he.shape[:2]), : min(he.shape[:2])]
        yield square if side == len(square) else bicubic(square, side)


def lab_colours(data: PairFolder) -> ColourStatistics:
    """Return CIELAB statistics of the IHC over the tissue of some training pairs."""
    pixels = []
    for pair in data.train[:_COLOUR_PAIRS]:
        _, ihc = load(pair)
        mask = tissue_mask(ihc, data.mpp)
        pixels.append(ihc[mask] if mask.any() else ihc.reshape(-1, 3))
    known = lab_statistics(pixels)
    return ColourStatistics(stains=CHANNELS, mean=known.mean, std=known.std, vectors=CIELAB)


def _statistics(values: list[NDArray[np.float32]], vectors: StainVectors) -> ColourStatistics:
    pixels = np.concatenate(values) if values else np.zeros((0, 3), np.float32)
    pixels = pixels if len(pixels) else np.zeros((1, 3), np.float32)
    return ColourStatistics(
        stains=tuple(vectors.names),
        mean=tuple(round(float(v), 5) for v in pixels.mean(axis=0)),
        std=tuple(round(float(v), 5) for v in pixels.std(axis=0)),
        vectors=vectors.source,
    )
