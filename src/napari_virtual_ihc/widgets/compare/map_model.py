"""Which map is wanted, and between what; no Qt in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

from napari_virtual_ihc.comparison.comparability import COMPARABILITY
from napari_virtual_ihc.comparison.deformation import DEFORMATION_MAPS, LANDMARK_ERROR
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
NO_PAIRS = (
    "This map needs landmark pairs: mark some on the Align page, or load a registration that was "
    "saved with pairs."
)


@dataclass
class MapState:
    """What the page says of its map; ``events`` tells of every change.

    Attributes
    ----------
    name
        One of `REGISTERED_MAP_NAMES`, ``landmark_error``, ``features``, or ``off``.
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
    landmarks = LANDMARK_ERROR.name, LANDMARK_ERROR.title
    features = FEATURES, "Feature similarity, by the model's encoder"
    return [(OFF, "none"), *named, landmarks, features]


def between_of(state: MapState) -> str:
    """Return what the map is made between.

    Stain differences need both to be IHC; a registration is of the H&E.
    """
    if of_registration(state.name):
        return HE
    return VIRTUAL if state.name == DAB_DIFFERENCE.info.name else state.between


def of_registration(name: str) -> bool:
    """Return whether a map tells of the registration, whatever the pixels are."""
    return name in DEFORMATION_MAPS or name == LANDMARK_ERROR.name


def _has_pairs(sides: Sides) -> bool:
    placement = sides.aligned.registration.placement
    return placement is not None and placement.marked.count > 0


def can_choose_between(state: MapState) -> bool:
    """Return whether it is up to the user what the map is made between."""
    fixed = of_registration(state.name) or state.name == DAB_DIFFERENCE.info.name
    return state.name != OFF and not fixed


def obstacle(state: MapState, sides: Sides | None) -> str:
    """Return why the map cannot be shown, or nothing."""
    if state.name == OFF or sides is None:
        return ""
    if state.name == FEATURES and sides.virtual is None:
        return NO_MODEL
    if state.name == LANDMARK_ERROR.name and not _has_pairs(sides):
        return NO_PAIRS
    missing = between_of(state) == VIRTUAL and sides.virtual is None
    return NO_VIRTUAL if missing else ""
