"""What names a virtual tile: its key, and the provenance that goes with every output."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc import __version__
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY
from napari_virtual_ihc.stains.tissue import MASK_VERSION

if TYPE_CHECKING:
    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.translation.backends.base import Backend
    from napari_virtual_ihc.translation.blocks import BlockPlan
    from napari_virtual_ihc.translation.calibration import Statistics

ALGORITHM = "translation/1"


@dataclass(frozen=True)
class Settings:
    """How tiles are made, everything ``auto`` decided; all of it is in the key.

    Attributes
    ----------
    engine
        Backend and its version.
    device_kind
        What byte identity is promised for.
    group
        Tiles per side of a joined forward.
    """

    device: str
    backend: str
    precision: str
    statistics: str
    tile: int
    group: int
    margin: int
    engine: str
    device_kind: str


def settings_of(backend: Backend, mode: str, plan: BlockPlan) -> Settings:
    """Return the settings in effect."""
    return Settings(
        backend.device, backend.name, backend.precision, mode, plan.grid.tile, plan.group,
        plan.margin, f"{backend.name} {backend.version}", backend.device_kind,
    )  # fmt: skip


def key_of(
    model: Model, slide: Slide, mpp: float, settings: Settings, found: Statistics | None
) -> str:
    """Return the hash of everything a tile's bytes depend on, its address apart.

    Parameters
    ----------
    mpp
        Of the model's grid, µm/px.
    found
        The slide's statistics, None where the mode has none.
    """
    place = [slide.fingerprint, slide.require_mpp()]
    network = [model.weights_hash, mpp, list(model.card.background)]
    measured = None if found is None else found.hash
    return hash_of(ALGORITHM, MASK_VERSION, place, network, measured, asdict(settings))


def provenance_of(
    model: Model, slide: Slide, mpp: float, settings: Settings, found: Statistics | None, key: str
) -> dict[str, Any]:
    """Return JSON values that say what pixels are and how to make them again; no file names."""
    card = model.card
    return {
        "virtual": True,
        "use": RESEARCH_USE_ONLY,
        "software": f"napari-virtual-ihc {__version__}",
        "model": {
            "name": card.name, "marker": card.marker, "method": card.method,
            "weights": model.weights_hash, "tiling": card.tiling,
            "reference_test_mode": card.reference_test_mode,
        },
        "slide": {"fingerprint": slide.fingerprint, "mpp": slide.require_mpp()},
        "mpp": mpp,
        "settings": asdict(settings),
        "statistics": None if found is None else {"hash": found.hash, "windows": found.windows},
        "colours": "raw RGB as decoded; no ICC profile applied",
        "mask": MASK_VERSION,
        "algorithm": ALGORITHM,
        "key": key,
    }  # fmt: skip
