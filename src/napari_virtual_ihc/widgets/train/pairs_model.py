"""What is shown of cutting training pairs from two registered layers, without Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from psygnal import SignalGroupDescriptor

from napari_virtual_ihc.comparison.training_pairs import PairSettings
from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.widgets.train.form import scale_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.widgets.train.form import TrainForm

NO_MARKER = "Say what the IHC shows, such as HER2 or Ki-67; then pairs can be cut."
_SIDE = 512


@dataclass
class PairsState:
    """One field for each thing that is shown; ``events`` tells of every change.

    Attributes
    ----------
    offered
        The two registered slides; empty where there are none.
    activity, done, total
        What is going on, with its counts.
    error, told
        What failed, and what was cut.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    offered: str = ""
    activity: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    told: str = ""


def settings_of(form: TrainForm, registration: Registration, crop: int) -> PairSettings:
    """Return how to cut pairs for a form: at its scale, or that of the coarser slide.

    Parameters
    ----------
    crop
        Side of the crops a training will take, px; pairs are at least that large.

    Raises
    ------
    UsageError
        If the form does not say what the IHC shows.
    """
    if not form.marker.strip():
        raise UsageError(NO_MARKER)
    coarsest = max(registration.fixed.mpp, registration.moving.mpp)
    return PairSettings(scale_of(form) or coarsest, form.marker.strip(), max(_SIDE, crop))


def told_of(record: Mapping[str, Any]) -> str:
    """Return in one sentence what was cut, and what was not and why."""
    train, held = record["pairs"]["train"], record["pairs"]["val"]
    dropped = [f"{count} {reason}" for reason, count in record["dropped"].items() if count]
    left = f"; left out of {record['squares']} squares: {', '.join(dropped)}" if dropped else ""
    return f"{train} pairs to train on, {held} held out by region{left}."
