"""Which map is wanted, and between what; no Qt in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

from napari_virtual_ihc.comparison.comparability import COMPARABILITY
from napari_virtual_ihc.comparison.deformation import DEFORMATION_MAPS
from napari_virtual_ihc.comparison.evidence import DAB_DIFFERENCE
from napari_virtual_ihc.comparison.patch_encoder import FEATURES
from napari_virtual_ihc.comparison.producer import HEATMAPS, REGISTERED_MAP_NAMES

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.views import MapInfo
    from napari_virtual_ihc.widgets.compare.sides import Sides

OFF = "off"
HE, VIRTUAL = "he", "virtual"
BETWEEN = {HE: "H&E and real", VIRTUAL: "virtual and real"}
NO_MODEL = "This map needs a model to see with: switch on live translation on the Translate page."
NO_VIRTUAL = "This map needs a virtual IHC: switch on live translation on the Translate page."


@dataclass
class MapState:
    """What the page says of its map; ``events`` tells of every change.

    Attributes
    ----------
    name
        One of `REGISTERED_MAP_NAMES`, ``features``, or ``off``.
    between
        ``he`` or ``virtual``: what is compared with the real IHC.
    formula
        Formula and window of the map that is shown.
    waiting
        Why it is not shown.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    name: str = OFF
    between: str = HE
    formula: str = ""
    waiting: str = ""


def info_of(name: str) -> MapInfo:
    """Return what a map of `REGISTERED_MAP_NAMES` shows."""
    if name == COMPARABILITY.name:
        return COMPARABILITY
    return (HEATMAPS | DEFORMATION_MAPS)[name].info


def titles() -> list[tuple[str, str]]:
    """Return names and titles to choose from, comparability first after ``off``."""
    named = ((name, info_of(name).title) for name in REGISTERED_MAP_NAMES)
    return [(OFF, "none"), *named, (FEATURES, "Feature similarity, by the model's encoder")]


def between_of(state: MapState) -> str:
    """Return what the map is made between.

    Stain differences need both to be IHC; a registration is of the H&E.
    """
    if state.name in DEFORMATION_MAPS:
        return HE
    return VIRTUAL if state.name == DAB_DIFFERENCE.info.name else state.between


def obstacle(state: MapState, sides: Sides | None) -> str:
    """Return why the map cannot be shown, or nothing."""
    if state.name == OFF or sides is None:
        return ""
    if state.name == FEATURES and sides.virtual is None:
        return NO_MODEL
    missing = between_of(state) == VIRTUAL and sides.virtual is None
    return NO_VIRTUAL if missing else ""
