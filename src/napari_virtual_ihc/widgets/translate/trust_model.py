"""Which maps of trust can be shown of a model, without Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.models.card import ModelCard

OFF, JITTER, UNFAMILIAR = "off", "jitter", "unfamiliar input"
SEEDS = {f"spread over {count} seeds": count for count in (3, 5, 10)}
_AGAINST = "against "
TIP = (
    "Can these pixels be trusted? A map of how much of what is painted several answers do not "
    "share: jitter, when the H&E is mirrored, moved and stained 5 % otherwise; spread, over seeds "
    "of a diffusion; against, with another model. Unfamiliar input: how far the H&E is from what "
    "the model learned from. Each takes as many times as long as it asks a model"
)


def choices(stepwise: bool, others: Sequence[str]) -> tuple[str, ...]:
    """Return what can be shown, ``off`` first.

    Parameters
    ----------
    stepwise
        Whether the model is a diffusion, which has seeds.
    others
        Models it can be compared with.
    """
    seeds = tuple(SEEDS) if stepwise else ()
    return (OFF, JITTER, UNFAMILIAR, *seeds, *(f"{_AGAINST}{name}" for name in others))


def other_model(choice: str) -> str | None:
    """Return the model that a choice compares with, None where it compares with none."""
    return choice.removeprefix(_AGAINST) if choice.startswith(_AGAINST) else None


def comparable_models(model: str, cards: dict[str, ModelCard]) -> list[str]:
    """Return the other models of a model's marker, by name."""
    own = cards.get(model)
    return [
        name
        for name, card in cards.items()
        if own is not None and name != model and card.marker == own.marker
    ]
