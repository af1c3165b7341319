"""Which stain a picture shows: H&E or DAB with hematoxylin, from where its colours lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.stains.optical_density import to_od
from napari_virtual_ihc.stains.tissue import glass_colour, green_ink

if TYPE_CHECKING:
    from numpy.typing import NDArray

StainKind = Literal["he", "ihc", "unknown"]
_TISSUE_OD = 0.15
_ENOUGH_PIXELS = 500
_MOST_INK = 0.2


def stain_kind(rgb: NDArray[np.uint8]) -> StainKind:
    """Tell H&E from IHC by how absorption is shared among the channels.

    Eosin takes green far more than red or blue; DAB takes blue most; hematoxylin takes red
    and green alike. Over tissue, above glass, H&E so has an excess of green and a lack of blue.
    Pixels with the colour of green ink do not count; where they are many, their rims would.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8 at any scale.

    Returns
    -------
    ``"he"``, ``"ihc"``, or ``"unknown"`` where tissue is scarce, ink is over it, or the colours
    lie between.
    """
    glass = np.asarray(glass_colour(rgb), dtype=np.uint8)
    od = np.maximum(to_od(rgb) - to_od(glass), 0).reshape(-1, 3)
    total = od.sum(axis=1)
    coloured, ink = total > _TISSUE_OD, green_ink(rgb).reshape(-1)
    tissue = coloured & ~ink
    if int(tissue.sum()) < _ENOUGH_PIXELS or (coloured & ink).sum() > _MOST_INK * coloured.sum():
        return "unknown"
    red, green, blue = od[tissue].sum(axis=0) / total[tissue].sum()
    return _decide(float(green - (red + blue) / 2), float(green - blue))


def _decide(green_excess: float, blue_lack: float) -> StainKind:
    if green_excess > 0.11 and blue_lack > 0.125:
        return "he"
    return "ihc" if green_excess < 0.10 or blue_lack < 0.10 else "unknown"
