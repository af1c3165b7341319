"""How a diffusion model is to be sampled: its card's settings, others of the user, a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.models.card import UNKNOWN
from napari_virtual_ihc.sampling.recipe import PRESETS, SamplerRecipe, read_sampler

if TYPE_CHECKING:
    from napari_virtual_ihc.models.card import ModelCard

_OF_THE_MODEL = (
    "train_steps", "beta_first", "beta_last", "structure", "guide_on", "bound",
)  # fmt: skip
_FEW = 50
MOST_SEED = 2**63 - 1
NAMES = ("model", *PRESETS)
"""What a sampler may be called: the model's own, or a preset."""


@dataclass(frozen=True)
class Sampling:
    """What a user may choose of a diffusion; the defaults leave it to the model.

    Attributes
    ----------
    name
        ``model`` for the sampler of its card, or a preset of `sampling.recipe.PRESETS`.
    steps
        Reverse steps; None leaves them.
    seed
        Of the noise over the slide, 0 to ``MOST_SEED``.
    """

    name: str = "model"
    steps: int | None = None
    seed: int = 0

    def recipe(self, card: ModelCard) -> SamplerRecipe:
        """Return the sampler for a model of kind ``diffusion``.

        Schedule, bound and structure are those its networks learned, whatever the preset. With
        fewer steps than asked by the sampler, up to 50, a DDPM chain becomes DPM-Solver++.

        Raises
        ------
        UsageError
            If a name or number does not do; the sentence names the field.
        ModelError
            If the card's sampler or colours are missing, or wrong.
        """
        own = _of_card(card)
        if self.name not in NAMES:
            raise UsageError(f"Unknown sampler {self.name!r}; take one of {', '.join(NAMES)}.")
        if not 0 <= self.seed <= MOST_SEED:
            raise UsageError(f"A seed is a number from 0 to {MOST_SEED}, not {self.seed}.")
        fields = own if self.name == "model" else PRESETS[self.name].model_dump()
        fields = fields | {name: own[name] for name in _OF_THE_MODEL} | self._steps_of(fields)
        recipe = read_sampler(fields)
        _require_learned(card, recipe)
        return recipe

    def _steps_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self.steps is None or self.steps == fields["steps"]:
            return {}
        if self.steps <= _FEW and self.steps < fields["start"]:
            return {"steps": self.steps, "sampler": "dpm", "spacing": "quadratic"}
        return {"steps": self.steps}


def _of_card(card: ModelCard) -> dict[str, Any]:
    if card.sampler == UNKNOWN:
        raise ModelError(f"The card of model {card.name!r} has no 'sampler'.")
    try:
        return read_sampler(card.sampler).model_dump()
    except UsageError as error:
        raise ModelError(f"The card of model {card.name!r}: {error}") from error


def _require_learned(card: ModelCard, recipe: SamplerRecipe) -> None:
    """Refuse a sampler that asks the model's networks for what they never learned."""
    learned = card.recipe.get("fields", {}) if isinstance(card.recipe, dict) else {}
    below = learned.get("learned_below")
    if below is not None and recipe.start > below:
        raise UsageError(
            f"Sampler field 'start': the network of {card.name!r} learned steps below {below}, "
            f"not {recipe.start}."
        )
    if recipe.guidance == "information" and card.arguments.get("statistics") is None:
        raise UsageError(
            f"Sampler field 'guidance': model {card.name!r} has no estimator of mutual information."
        )
    if recipe.colour != "none" and card.output_lab == UNKNOWN:
        raise ModelError(
            f"The card of model {card.name!r} has no colour statistics ('output_lab'), to which "
            "the H&E's colours are to be moved; take a sampler whose 'colour' is 'none'."
        )
