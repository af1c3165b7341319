"""One way of measuring IHC, for real and virtual alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.comparison.tally import ATOM_UM, FIELDS, Tally
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, DabProtocol, dab_density
from napari_virtual_ihc.stains.membrane import MembraneProtocol, find_membranes
from napari_virtual_ihc.stains.nuclei import NucleiProtocol, find_nuclei
from napari_virtual_ihc.stains.vectors import H_DAB, estimate_macenko

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.stains.nuclei import Nuclei

Cells = Literal["nuclei", "membranes", "none"]
COARSEST_CELLS = 0.75
"""µm/px beyond which cells are not looked for."""
_FARTHEST_STAIN = 25.0


@dataclass(frozen=True)
class Place:
    """Where a window lies on a slide's grid, and which part of it counts.

    Attributes
    ----------
    row, column
        The window's first pixel on the grid.
    mpp
        Scale of the grid, µm/px.
    squares
        First row and column of squares, and how many, that are filled.
    """

    row: int
    column: int
    mpp: float
    squares: tuple[int, int, int, int]

    def atoms(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return which square points of the window (px) lie in, -1 for none."""
        top, left, rows, columns = self.squares
        down = np.floor((self.row + y) * self.mpp / ATOM_UM).astype(np.int64) - top
        along = np.floor((self.column + x) * self.mpp / ATOM_UM).astype(np.int64) - left
        within = (down >= 0) & (down < rows) & (along >= 0) & (along < columns)
        return np.where(within, down * columns + along, -1)

    def pixels(self, h: int, w: int) -> NDArray[np.int64]:
        """Return which square each pixel of the window lies in, (h, w), -1 for none."""
        y, x = (np.arange(side, dtype=np.float64) + 0.5 for side in (h, w))
        return self.atoms(y[:, None], x[None])


@dataclass(frozen=True)
class Scorer:
    """How IHC is measured; the same object measures virtual and real.

    Attributes
    ----------
    dab
        Thresholds and stain vectors.
    cells
        Which cells are looked at: nuclei (Ki-67, ER, PR), membranes (HER2) or none.
    """

    dab: DabProtocol = DEFAULT_DAB
    cells: Cells = "nuclei"
    nuclei: NucleiProtocol = field(init=False)
    membranes: MembraneProtocol = field(init=False)

    def __post_init__(self) -> None:
        """Give cells the thresholds and stain vectors of pixels."""
        counterstained = NucleiProtocol(stains=("hematoxylin",), dab=self.dab)
        object.__setattr__(self, "nuclei", NucleiProtocol(dab=self.dab))
        object.__setattr__(self, "membranes", MembraneProtocol(dab=self.dab, nuclei=counterstained))

    @property
    def protocol(self) -> str:
        """Thresholds, stain vectors and rules, to stand beside every number."""
        named = {"nuclei": self.nuclei.name, "membranes": self.membranes.name, "none": "no cells"}
        return f"{self.dab.name}; {named[self.cells]}"

    @property
    def reach_um(self) -> float:
        """How far around a square the picture must be known, µm."""
        return 30.0 if self.cells != "none" else 0.0

    def positive(self, rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return which pixels are positive, (h, w)."""
        found: NDArray[np.bool_] = dab_density(rgb, self.dab) >= self.dab.threshold
        return found

    def tally(self, rgb: NDArray[np.uint8], inside: NDArray[np.bool_], place: Place) -> Tally:
        """Return the sums of a window's squares.

        Parameters
        ----------
        rgb
            (h, w, 3) uint8: the squares and ``reach_um`` around them.
        inside
            (h, w): what counts, such as comparable tissue. Cells count by their centre.
        place
            Where the window lies.
        """
        top, left, rows, columns = place.squares
        sums = np.zeros((len(FIELDS), rows * columns))
        self._add_pixels(sums, rgb, inside, place)
        if self.cells == "nuclei":
            found = find_nuclei(rgb, place.mpp, self.nuclei)
            _add_cells(sums, "nuclei", found, found.grade, inside, place)
        elif self.cells == "membranes":
            self._add_membranes(sums, rgb, inside, place)
        return Tally(sums.T.reshape(rows, columns, len(FIELDS)), top, left)

    def _add_pixels(
        self, sums: NDArray[np.float64], rgb: NDArray[np.uint8], inside: NDArray[np.bool_],
        place: Place,
    ) -> None:  # fmt: skip
        atom = np.where(inside, place.pixels(*inside.shape), -1)
        kept, density = atom >= 0, dab_density(rgb, self.dab)
        bounds = (self.dab.threshold, self.dab.weak, self.dab.strong)
        grade = np.digitize(density[kept], bounds)
        size, chosen = place.mpp**2, atom[kept]
        sums[FIELDS.index("inside")] += _counted(chosen, sums) * size
        for index, name in enumerate(("weak", "moderate", "strong"), 1):
            sums[FIELDS.index(name)] += _counted(chosen[grade == index], sums) * size
        brown = np.where(grade > 0, density[kept], 0).astype(np.float64)
        sums[FIELDS.index("iod")] += np.bincount(chosen, brown, sums.shape[1]) * size

    def _add_membranes(
        self, sums: NDArray[np.float64], rgb: NDArray[np.uint8], inside: NDArray[np.bool_],
        place: Place,
    ) -> None:  # fmt: skip
        found = find_membranes(rgb, place.mpp, self.membranes)
        atom = _add_cells(sums, "cells", found.nuclei, found.grade, inside, place)
        stained = (atom >= 0) & (found.intensity > 0)
        sums[FIELDS.index("membranes")] += _counted(atom[stained], sums)
        sums[FIELDS.index("intensity")] += np.bincount(
            atom[stained], found.intensity[stained], sums.shape[1]
        )


def estimated(rgb: NDArray[np.uint8], dab: DabProtocol = DEFAULT_DAB) -> DabProtocol:
    """Return a protocol whose stain vectors are those of a picture.

    Raises
    ------
    DataError
        If the picture has too little tissue, or its stains are over 25° from published ones.
    """
    found = estimate_macenko(rgb, H_DAB)
    if found is None:
        raise DataError("Stain vectors cannot be estimated: the picture has too little tissue.")
    away = max(found.angle_to(H_DAB)[:2])
    if away > _FARTHEST_STAIN:
        raise DataError(
            f"The estimated stain vectors lie {away:.0f}° from hematoxylin and DAB; the picture "
            "may hold one stain only: use the published vectors."
        )
    return DabProtocol(dab.threshold, dab.weak, dab.strong, found)


def _counted(atom: NDArray[np.int64], sums: NDArray[np.float64]) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.bincount(atom, minlength=sums.shape[1])
    return counts


def _add_cells(
    sums: NDArray[np.float64], name: str, found: Nuclei, grade: NDArray[np.int64],
    inside: NDArray[np.bool_], place: Place,
) -> NDArray[np.int64]:  # fmt: skip
    """Count cells by square and grade; return each cell's square, -1 for those left out."""
    counts = inside[found.y.astype(np.int64), found.x.astype(np.int64)]
    atom = np.where(counts, place.atoms(found.y, found.x), -1)
    for one in range(4):
        sums[FIELDS.index(f"{name}_{one}")] += _counted(atom[(atom >= 0) & (grade == one)], sums)
    return atom
