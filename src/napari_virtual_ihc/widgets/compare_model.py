"""What the Compare page shows, without Qt: its state and its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

if TYPE_CHECKING:
    from napari_virtual_ihc.widgets.compare_sides import Sides

NO_REGISTRATION = (
    "Lay a real IHC slide onto the H&E first, on the Align page; then the two are compared here."
)


@dataclass
class CompareState:
    """One field for each thing on the page; ``events`` tells of every change.

    Attributes
    ----------
    pair
        Which slides lie on each other; empty where none do.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    pair: str = ""


def pair_line(sides: Sides | None) -> str:
    """Return which slides are compared, and with which virtual stain."""
    if sides is None:
        return ""
    virtual = "no virtual layer" if sides.virtual is None else _virtual(sides)
    return f"{sides.aligned.moving.name} on {sides.aligned.fixed.name} · {virtual}"


def _virtual(sides: Sides) -> str:
    assert sides.virtual is not None
    return f"virtual {sides.virtual.info.marker} by {sides.virtual.info.model}"
