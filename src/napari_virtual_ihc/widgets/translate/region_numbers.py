"""Numbers of one selected region: area and DAB, with the protocol they were measured by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_virtual_ihc.stains.dab import DEFAULT_DAB, DabProtocol, dab_area, dab_density, h_score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UM2_PER_MM2 = 1e6


@dataclass(frozen=True)
class RegionNumbers:
    """What is known of a region.

    Attributes
    ----------
    name
        Such as ``"Region 3"``.
    area_mm2
        Area of the pixels measured: tissue inside the region.
    dab_percent
        Share of those pixels that are DAB positive, 0 to 100.
    h_score
        Pixel H-score, 0 to 300.
    protocol
        Threshold and stain vectors, said with every number.
    """

    name: str
    area_mm2: float
    dab_percent: float
    h_score: float
    protocol: str

    def text(self) -> str:
        """Return the line shown under the page, three significant digits each."""
        return (
            f"{self.name} (virtual)   {self.area_mm2:.3g} mm² tissue   "
            f"DAB area {self.dab_percent:.3g} %   H-score {self.h_score:.3g}"
        )


def measure_region(
    name: str,
    rgb: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    mpp: float,
    protocol: DabProtocol = DEFAULT_DAB,
) -> RegionNumbers | None:
    """Measure the pixels of ``rgb`` (YX3) inside ``mask`` (YX) at ``mpp`` µm/px.

    Returns
    -------
    The numbers, or None where the mask is empty.
    """
    pixels = int(mask.sum())
    if pixels == 0:
        return None
    density = dab_density(rgb, protocol)
    return RegionNumbers(
        name=name,
        area_mm2=pixels * mpp * mpp / _UM2_PER_MM2,
        dab_percent=100 * dab_area(density, mask, protocol),
        h_score=h_score(density, mask, protocol),
        protocol=protocol.name,
    )
