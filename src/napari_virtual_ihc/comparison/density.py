"""Stain densities as integers, in thousandths of an optical density, pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.stains.optical_density import to_od
from napari_virtual_ihc.stains.vectors import H_DAB, H_E, StainVectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["he", "ihc"]
PER_OD = 1000
"""Levels of one unit of optical density."""
_VECTORS = {"he": H_E, "ihc": H_DAB}
_MOST = 2550


def hematoxylin(rgb: NDArray[np.uint8], kind: Kind) -> NDArray[np.int64]:
    """Return hematoxylin density of H&E or IHC in thousandths of OD, (h, w), 0 to 2550."""
    return amount(rgb, _VECTORS[kind], "hematoxylin")


def amount(rgb: NDArray[np.uint8], vectors: StainVectors, stain: str) -> NDArray[np.int64]:
    """Return a stain's density in thousandths of OD, (h, w), 0 to 2550.

    The three products are added one by one: a matrix product may round differently at another size
    of tile.
    """
    red, green, blue = vectors.inverse()[:, vectors.names.index(stain)] * PER_OD
    od = to_od(rgb).astype(np.float64)
    mixed = od[..., 0] * red + od[..., 1] * green + od[..., 2] * blue
    levels: NDArray[np.int64] = np.clip(np.rint(mixed), 0, _MOST).astype(np.int64)
    return levels


def darkness(rgb: NDArray[np.uint8], glass: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return the sum of the three optical densities above glass in thousandths, (h, w), from 0."""
    od = to_od(rgb).astype(np.float64) - to_od(np.asarray(glass, np.uint8))
    levels = np.rint(np.maximum(od, 0) * PER_OD).astype(np.int64)
    total: NDArray[np.int64] = levels[..., 0] + levels[..., 1] + levels[..., 2]
    return total
