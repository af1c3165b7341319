"""Membranes of an IHC picture: how brown they are and how much of each cell they close in.

A helper for looking at HER2 on real and virtual IHC alike, not a HER2 test: research use only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.stains.dab import DEFAULT_DAB, DabProtocol, dab_density
from napari_virtual_ihc.stains.nuclei import COUNTERSTAINED, NucleiProtocol, find_nuclei

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.stains.nuclei import Nuclei


@dataclass(frozen=True)
class MembraneProtocol:
    """How membranes are measured and graded.

    Attributes
    ----------
    reach_um
        A membrane is looked for up to this far from the rim of its nucleus, µm.
    sectors
        Directions around a nucleus, each of which is stained or not.
    part, whole
        A membrane is seen from this share of stained sectors on, and complete from that.
    contrast
        A membrane is by so much browner than its nucleus (optical density).
    cells
        A score needs more than this share of cells.
    dab
        A sector is stained from the threshold on; ``strong`` makes a complete membrane 3+.
    nuclei
        How cells are found.
    """

    reach_um: float = 5.0
    sectors: int = 12
    part: float = 0.25
    whole: float = 0.8
    contrast: float = 0.1
    cells: float = 0.1
    dab: DabProtocol = field(default_factory=lambda: DEFAULT_DAB)
    nuclei: NucleiProtocol = COUNTERSTAINED

    @property
    def name(self) -> str:
        """Return the protocol's name, to stand beside every number."""
        return (
            f"membrane helper (research use only): brownest of {self.sectors} directions "
            f"within {self.reach_um:g} µm of nuclei, {self.contrast:g} over the nucleus; "
            f"seen from {self.part:.0%}, complete from {self.whole:.0%} of directions; "
            f"a score needs over {self.cells:.0%} of cells; "
            f"{self.dab.name}; {self.nuclei.name}"
        )


DEFAULT_MEMBRANE = MembraneProtocol()


@dataclass(frozen=True)
class Membranes:
    """Membranes of one picture, one entry per cell.

    Attributes
    ----------
    nuclei
        The cells.
    completeness
        Share of directions that are stained, 0 to 1.
    intensity
        Mean DAB optical density of the stained directions; 0 where none is.
    grade
        0 none, 1 incomplete, 2 complete, 3 complete and strong.
    """

    nuclei: Nuclei
    completeness: NDArray[np.float64]
    intensity: NDArray[np.float64]
    grade: NDArray[np.int64]

    def counts(self) -> NDArray[np.int64]:
        """Return how many cells have each grade, (4,)."""
        found: NDArray[np.int64] = np.bincount(self.grade, minlength=4)
        return found


def find_membranes(
    rgb: NDArray[np.uint8], mpp: float, protocol: MembraneProtocol = DEFAULT_MEMBRANE
) -> Membranes:
    """Return the membranes of an IHC picture.

    Each pixel near a nucleus belongs to the nearest one and to a direction from its centre. A
    direction is as brown as its brownest pixel.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8, hematoxylin and DAB.
    mpp
        Scale in µm/px.
    """
    nuclei = find_nuclei(rgb, mpp, protocol.nuclei)
    dab = ndimage.uniform_filter(dab_density(rgb, protocol.dab), 3, mode="nearest")
    brownest = _directions(nuclei, dab, mpp, protocol)
    least = np.maximum(protocol.dab.threshold, nuclei.dab + protocol.contrast)
    stained = brownest >= least[:, None]
    completeness = stained.mean(axis=1)
    intensity = (brownest * stained).sum(axis=1) / np.maximum(stained.sum(axis=1), 1)
    return Membranes(nuclei, completeness, intensity, _grades(completeness, intensity, protocol))


def her2_helper(
    counts: NDArray[np.int64], protocol: MembraneProtocol = DEFAULT_MEMBRANE
) -> int | None:
    """Return 0 to 3: the highest grade that over 10 % of cells reach; None without cells.

    It follows the order of the ASCO/CAP rules (2018: complete and intense, complete, incomplete,
    each in more than 10 % of tumour cells), but does not tell tumour from other cells. It is no
    HER2 score: research use only.
    """
    total = int(counts.sum())
    if not total:
        return None
    reached = counts[::-1].cumsum()[::-1] / total
    return int(np.flatnonzero(np.append(True, reached[1:] > protocol.cells)).max())


def _directions(
    nuclei: Nuclei, dab: NDArray[np.float32], mpp: float, protocol: MembraneProtocol
) -> NDArray[np.float64]:
    """Return the brownest pixel of each direction of each nucleus, (n, sectors)."""
    count, sectors = len(nuclei.y), protocol.sectors
    found = np.zeros(count * sectors)
    if not count:
        return found.reshape(0, sectors)
    away, (rows, columns) = ndimage.distance_transform_edt(nuclei.labels == 0, return_indices=True)
    near = away * mpp <= protocol.reach_um
    owner = nuclei.labels[rows, columns][near] - 1
    y, x = np.nonzero(near)
    angle = np.arctan2(y + 0.5 - nuclei.y[owner], x + 0.5 - nuclei.x[owner])
    sector = np.floor((angle / (2 * np.pi) + 0.5) * sectors).astype(np.int64) % sectors
    np.maximum.at(found, owner * sectors + sector, dab[near])
    return found.reshape(count, sectors)


def _grades(
    completeness: NDArray[np.float64], intensity: NDArray[np.float64], protocol: MembraneProtocol
) -> NDArray[np.int64]:
    whole = completeness >= protocol.whole
    grade = (completeness >= protocol.part).astype(np.int64) + whole
    strong: NDArray[np.int64] = grade + (whole & (intensity >= protocol.dab.strong))
    return strong
