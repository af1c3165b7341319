"""What a reader hands back, and how a file's resolution becomes µm/px."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import SlideError

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.source import TileSource

ANISOTROPY = 0.02
MICRONS = {
    "inch": 25400.0, "m": 1e6, "meter": 1e6, "metre": 1e6, "cm": 1e4, "centimeter": 1e4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0,
    "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "\\u00b5m": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3, "å": 1e-4, "angstrom": 1e-4, "pm": 1e-6,
}  # fmt: skip
"""µm in one of each unit that slide files name."""

_PRINTERS_DPI = 600.0


@dataclass(frozen=True)
class Opened:
    """A file understood: where its pixels come from, its µm/px or None, its kind, its notes."""

    source: TileSource
    mpp: float | None
    vendor: str
    notes: tuple[str, ...] = ()


def isotropic(name: str, x: float | None, y: float | None) -> float | None:
    """Return one µm/px for both axes, None where either is missing or no scale at all.

    Raises
    ------
    SlideError
        Where the axes differ by more than 2 %.
    """
    if not (_is_scale(x) and _is_scale(y)) or x is None or y is None:
        return None
    if abs(x - y) > ANISOTROPY * min(x, y):
        raise SlideError(
            f"{name} has pixels of {x:.4g} by {y:.4g} µm; pixels more than 2 % from square "
            "are not supported."
        )
    return (x + y) / 2


def from_dpi(name: str, x: float, y: float) -> float | None:
    """Return µm/px of a resolution in dots per inch, None for one of screens or printers.

    Programs that know no scale write 1, 72, 96 or 300 dpi, or 28 dots per cm. Up to 600 dpi, which
    would be 42 µm/px and over, a resolution is therefore taken as missing.
    """
    if not (_is_scale(x) and _is_scale(y)) or max(x, y) <= _PRINTERS_DPI:
        return None
    return isotropic(name, 25400 / x, 25400 / y)


def _is_scale(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0
