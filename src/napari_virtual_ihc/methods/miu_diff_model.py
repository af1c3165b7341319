"""A MIU-Diff model, from what its two trainings left: what a slide is translated with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.methods.miu_diff import MiuDiff
from napari_virtual_ihc.methods.miu_diff_estimator import MiuDiffEstimator, convergence_problem
from napari_virtual_ihc.models.card import UNKNOWN
from napari_virtual_ihc.sampling.recipe import PRESETS, SamplerRecipe, read_sampler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_virtual_ihc.models.card import ModelCard
    from napari_virtual_ihc.models.folder import Model

_SCHEDULE = ("train_steps", "beta_first", "beta_last")
_SAME_SCALE = 1e-3


def join(
    score: Model, estimator: Model | None, folder: Path, *, name: str,
    sampler: Mapping[str, Any] | None = None, half: bool = False,
) -> ModelCard:  # fmt: skip
    """Write a model of kind ``diffusion``, and return its card.

    Parameters
    ----------
    score
        Finished training of ``miu-diff``.
    estimator
        Of ``miu-diff-estimator``, for the same marker at the same µm/px; None makes a model that
        mutual information does not guide.
    sampler
        Fields of `SamplerRecipe` that differ from MIU-Diff's with 20 steps.
    half
        Keep weights in half precision.

    Raises
    ------
    ModelError
        If the two do not belong together, or the folder cannot be written.
    UsageError
        If a field of the sampler does not do.
    """
    from napari_virtual_ihc.models.folder import save_model

    _require_method(score, MiuDiff.name)
    if estimator is not None:
        _require_method(estimator, MiuDiffEstimator.name)
        _require_pair(score.card, estimator.card)
    recipe = _sampler(score.card, estimator.card if estimator else None, dict(sampler or {}))
    if estimator is not None:
        _require_learned(estimator.card, recipe)
    card = _card(score.card, estimator.card if estimator else None, name, recipe)
    state = _state(score, estimator)
    if half:
        state = {key: value.half() for key, value in state.items()}
    save_model(folder, card, state, command="models join")
    return card


def _require_method(model: Model, method: str) -> None:
    if model.card.kind == "diffusion":
        raise ModelError(
            f"Model {model.card.name!r} is a joined diffusion already; give the trainings that it "
            "is to be made of."
        )
    recipe = model.card.recipe
    trained = recipe.get("method") if isinstance(recipe, dict) else None
    if trained != method:
        raise ModelError(
            f"Model {model.card.name!r} was trained by {trained or 'no method we know'}, not by "
            f"{method!r}."
        )


def _require_pair(score: ModelCard, estimator: ModelCard) -> None:
    names = f"{score.name!r} and {estimator.name!r}"
    if score.marker != estimator.marker:
        raise ModelError(
            f"Models {names} are of two markers, {score.marker} and {estimator.marker}."
        )
    if abs(score.mpp_in / estimator.mpp_in - 1) > _SAME_SCALE:
        raise ModelError(
            f"Models {names} are of two scales, {score.mpp_in:g} and {estimator.mpp_in:g} µm/px."
        )
    if any(_learned(score)[field] != _learned(estimator)[field] for field in _SCHEDULE):
        raise ModelError(f"Models {names} learned by two schedules of noise.")


def _require_learned(estimator: ModelCard, recipe: SamplerRecipe) -> None:
    start = _learned(estimator)["start"]
    if recipe.guidance == "information" and recipe.start > start:
        raise ModelError(
            f"Estimator {estimator.name!r} learned from pictures noised to steps below {start}; "
            f"the sampler starts at {recipe.start}."
        )


def _learned(card: ModelCard) -> dict[str, Any]:
    """Return the fields of the recipe it was trained by."""
    fields = card.recipe.get("fields") if isinstance(card.recipe, dict) else None
    if not isinstance(fields, dict):
        raise ModelError(f"The card of model {card.name!r} does not say how it was trained.")
    return fields


def _sampler(
    score: ModelCard, estimator: ModelCard | None, fields: dict[str, Any]
) -> SamplerRecipe:
    own = {field: _learned(score)[field] for field in _SCHEDULE}
    if estimator is None:
        own |= {"guidance": "off"}
    else:
        learned = _learned(estimator)
        own |= {"structure": learned["structure"], "bound": learned["bound"]}
        own |= {"guide_on": "y_t" if learned["noised"] else "y0_hat"}
    return read_sampler(PRESETS["miu-diff-20"].model_dump() | fields | own)


def _state(score: Model, estimator: Model | None) -> dict[str, Tensor]:
    parts: list[tuple[str, Mapping[str, Tensor]]] = [("score", score.state)]
    if estimator is not None:
        parts.append(("statistics", estimator.state))
    return {
        f"{part}.{key}": value.detach().to(torch.float32)
        for part, state in parts
        for key, value in state.items()
    }


def _card(
    score: ModelCard, estimator: ModelCard | None, name: str, recipe: SamplerRecipe
) -> ModelCard:
    shapes = {
        "score": score.arguments, "statistics": None if estimator is None else estimator.arguments
    }  # fmt: skip
    return score.model_copy(
        update={
            "name": name, "kind": "diffusion", "architecture": "miu-diff", "arguments": shapes,
            "tiling": "blended", "dependency_radius": None, "default_statistics": "none",
            "sampler": recipe.model_dump(mode="json"),
            "validation": (*score.validation, *(estimator.validation if estimator else ())),
            "notes": _notes(score, estimator), "weights_sha256": UNKNOWN,
        }
    )  # fmt: skip


def _notes(score: ModelCard, estimator: ModelCard | None) -> tuple[str, ...]:
    told = [note for note in score.notes if not note.startswith("The score network")]
    if estimator is None:
        return (*told, "No estimator of mutual information guides this diffusion.")
    figures = {figure.name: figure.value for figure in estimator.validation}
    problem = convergence_problem(figures)
    return (*told, problem) if problem else tuple(told)
