"""What a phantom is made of: sizes in µm, densities per mm², concentrations as optical density."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Literal

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.files import hash_of

PHANTOM_VERSION = 1
"""Raised whenever the same seed and parameters would give another picture."""

Section = Literal["same", "next"]


class CellKind(IntEnum):
    """Classes in the cell table."""

    TUMOUR = 1
    FIBROBLAST = 2
    LYMPHOCYTE = 3
    EPITHELIUM = 4
    ENDOTHELIUM = 5
    RED_CELL = 6
    DEBRIS = 7


@dataclass(frozen=True)
class MarkerModel:
    """How the expression of one marker arises from what H&E shows and what it does not.

    The score of a tumour cell is ``visible·v + hidden·h + cellular·n − threshold`` with ``v`` its
    visible latent (drawn as chromatin pattern, nucleolus and nuclear size), ``h`` a smooth field
    that leaves no trace in H&E and ``n`` its own noise, all of unit variance. A score above zero
    is stained.

    Attributes
    ----------
    compartment
        Where the chromogen lies.
    threshold
        In units of the score; with unit weights 0.45 gives about a third of positive cells.
    negative_slides
        Share of slides (drawn from the seed) without any expression in tumour.
    bystanders
        Share of positive cells among lymphocytes, epithelium and fibroblasts, in this order.
    """

    compartment: Literal["nucleus", "membrane"]
    threshold: float
    negative_slides: float = 0.0
    bystanders: tuple[float, float, float] = (0.04, 0.03, 0.01)
    visible: float = 0.80
    hidden: float = 0.44
    cellular: float = 0.41


MARKERS: dict[str, MarkerModel] = {
    "Ki-67": MarkerModel("nucleus", 0.45),
    "ER": MarkerModel("nucleus", -0.75, 0.2, (0.0, 0.35, 0.0)),
    "PR": MarkerModel("nucleus", -0.25, 0.3, (0.0, 0.3, 0.0)),
    "HER2": MarkerModel("membrane", 0.1, 0.0, (0.0, 0.1, 0.0)),
}


def marker_model(marker: str) -> MarkerModel:
    """Return the model of a marker.

    Raises
    ------
    UsageError
        If the marker is not one of :data:`MARKERS`.
    """
    if marker not in MARKERS:
        raise UsageError(
            f"Marker {marker!r} is not known to the phantom; use {', '.join(MARKERS)}."
        )
    return MARKERS[marker]


@dataclass(frozen=True)
class PhantomParameters:
    """Everything that shapes a phantom beside its seed, size and marker; fixed since version 1.

    Lengths are µm, densities cells per mm², concentrations optical density along unit vectors.
    """

    macro_um: float = 2500.0
    nest_um: tuple[float, float] = (55.0, 120.0)
    nest_threshold: float = 0.62
    object_pitch_um: float = 210.0
    adipocyte_um: float = 68.0
    tumour_pitch_um: float = 10.6
    tumour_spacing_um: float = 8.4
    stroma_pitch_um: float = 27.0
    lymphoid_pitch_um: float = 7.6
    activity_um: tuple[float, float] = (130.0, 330.0)
    activity_smooth: float = 0.78
    hidden_um: float = 190.0
    inactive_diameter_um: float = 9.5
    active_diameter_um: float = 12.4
    inactive_load: float = 0.74
    active_load: float = 0.48
    kept_in_next: float = 0.55
    shift_um: float = 22.0
    shift_scale_um: float = 900.0
    stretch: float = 0.025
    blur_um: float = 0.30
    shot_noise: float = 0.009
    glass: tuple[float, float, float] = (241.0, 240.0, 241.0)
    hematoxylin: tuple[float, float, float] = (0.58, 0.70, 0.40)
    eosin: tuple[float, float, float] = (0.14, 0.88, 0.45)
    red_cell: tuple[float, float, float] = (0.06, 0.80, 0.60)
    counterstain: tuple[float, float, float] = (0.69, 0.65, 0.31)
    chromogen: tuple[float, float, float] = (0.27, 0.57, 0.78)
    stain_angle_deg: float = 2.5
    dab_threshold: float = 0.15

    def fingerprint(self) -> str:
        """Return 32 hex digits that name these parameters and :data:`PHANTOM_VERSION`."""
        return hash_of("phantom", PHANTOM_VERSION, asdict(self))


DEFAULTS = PhantomParameters()
"""The parameters of version 1: models are trained on them, so they are left alone."""
