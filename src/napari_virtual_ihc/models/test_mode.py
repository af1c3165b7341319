"""Imported generators that are to run as their public code tests them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.networks.unet import UnetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.models.recognise import Recognised

_DROPOUT = 0.5
NOTE = (
    "Runs in reference test mode, as its public code tests without --eval: each norm takes the "
    "statistics of the block of tiles it sees and dropout is active, its masks drawn from the "
    "block's place on the slide; blocks may differ in colour."
)


def as_published_codes_test(found: Recognised, options: Mapping[str, str]) -> Recognised:
    """Return the generator with the dropout that it is tested with, and what to note on its card.

    Parameters
    ----------
    options
        Of the options file beside the checkpoint: whether a U-Net has dropout is not in its keys.

    Raises
    ------
    UsageError
        If the mode would change nothing: there is neither BatchNorm nor dropout.
    """
    notes = [*found.notes, NOTE]
    config = found.config
    if isinstance(config, UnetConfig):
        stated = options.get("no_dropout")
        config = replace(config, dropout=0.0 if stated == "True" else _DROPOUT)
        told = "the default of its code" if stated is None else "as the options file says"
        notes.append(f"Its dropout is taken as {config.dropout}, {told}.")
    if config.norm != "batch" and not config.dropout:
        raise UsageError(
            "This generator has neither BatchNorm nor dropout, so that reference_test_mode would "
            "change nothing."
        )
    return replace(found, config=config, notes=tuple(notes))
