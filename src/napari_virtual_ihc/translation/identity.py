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
    from napari_virtual_ihc.translation.backends.base import Described
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
    sampler
        A diffusion's recipe and seed; None for generators.
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
    sampler: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON values, those of a diffusion where it is one."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def settings_of(
    backend: Described, mode: str, plan: BlockPlan, sampler: dict[str, Any] | None = None
) -> Settings:
    """Return the settings in effect."""
    return Settings(
        backend.device, backend.name, backend.precision, mode, plan.grid.tile, plan.group,
        plan.margin, f"{backend.name} {backend.version}", backend.device_kind, sampler,
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
    return hash_of(ALGORITHM, MASK_VERSION, place, network, measured, settings.as_json())


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
        "settings": settings.as_json(),
        "statistics": None if found is None else {"hash": found.hash, "windows": found.windows},
        "colours": "raw RGB as decoded; no ICC profile applied",
        "mask": MASK_VERSION,
        "algorithm": ALGORITHM,
        "key": key,
    }  # fmt: skip
