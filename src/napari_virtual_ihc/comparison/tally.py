"""What IHC adds up to per square of 50 µm, from which every measure of larger squares follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.membrane import her2_helper

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

ATOM_UM = 50.0
"""Side of the smallest square; larger ones are multiples of it."""
FIELDS = (
    "inside", "weak", "moderate", "strong", "iod",
    "nuclei_0", "nuclei_1", "nuclei_2", "nuclei_3",
    "cells_0", "cells_1", "cells_2", "cells_3", "membranes", "intensity",
)  # fmt: skip
"""Areas in µm², integrated optical density in OD·µm², counts; ``intensity`` is summed OD."""
AREA = "mm²"
"""What measures of pixels are measured on."""
_UM2_PER_MM2 = 1e6
_POSITIVE = ("weak", "moderate", "strong")


@dataclass(frozen=True)
class Tally:
    """Sums per square of a lattice that begins at a slide's corner.

    Attributes
    ----------
    sums
        (rows, columns, fields), see `FIELDS`.
    row, column
        Place of the first square on the lattice.
    square_um
        Side of a square, µm.
    """

    sums: Values
    row: int = 0
    column: int = 0
    square_um: float = ATOM_UM

    def of(self, *fields: str) -> Values:
        """Return the sum of some fields per square, (rows, columns)."""
        total: Values = self.sums[..., [FIELDS.index(field) for field in fields]].sum(axis=-1)
        return total

    def coarse(self, square_um: float) -> Tally:
        """Return the whole squares of a larger side, a multiple of this one's.

        Raises
        ------
        ValueError
            If it is no multiple.
        """
        times = round(square_um / self.square_um)
        if times < 1 or abs(times * self.square_um - square_um) > 1e-6:
            raise ValueError(f"{square_um:g} µm is no multiple of {self.square_um:g} µm.")
        row, column = -(-self.row // times), -(-self.column // times)
        whole = self.sums[row * times - self.row :, column * times - self.column :]
        rows, columns = whole.shape[0] // times, whole.shape[1] // times
        blocks = whole[: rows * times, : columns * times]
        blocks = blocks.reshape(rows, times, columns, times, len(FIELDS))
        return Tally(blocks.sum(axis=(1, 3)), row, column, square_um)

    def total(self) -> Tally:
        """Return all squares as one."""
        return Tally(self.sums.sum(axis=(0, 1), keepdims=True), self.row, self.column, np.nan)


@dataclass(frozen=True)
class Measure:
    """A number of a square.

    Attributes
    ----------
    name, title, unit
        How it is called in files, on screen, and in what it is told.
    formula
        How it follows from the sums.
    of
        From a tally to values (rows, columns); nan where it has none.
    edges
        Bounds of ordered classes for weighted kappa.
    items, items_of
        What it was measured on: nuclei, cells or mm², and the sums that add up to how many.
    """

    name: str
    title: str
    unit: str
    formula: str
    of: Callable[[Tally], Values]
    edges: tuple[float, ...]
    items: str = AREA
    items_of: tuple[str, ...] = ("inside",)

    def count(self, tally: Tally) -> Values:
        """Return on how many items each square was measured, (rows, columns)."""
        count = tally.of(*self.items_of)
        return count / _UM2_PER_MM2 if self.items == AREA else count


def _share(above: Values, below: Values, scale: float = 1.0) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, scale * above / below, np.nan)


def _h_score(tally: Tally, graded: tuple[str, ...], whole: tuple[str, ...]) -> Values:
    weighted = sum(grade * tally.of(name) for grade, name in enumerate(graded, 1))
    return _share(np.asarray(weighted), tally.of(*whole), 100.0)


def _her2(tally: Tally) -> Values:
    """Return `membrane.her2_helper` of each square, nan without cells."""
    counts = np.stack([tally.of(name) for name in _CELLS], axis=-1).astype(np.int64)
    grades = [her2_helper(one) for one in counts.reshape(-1, len(_CELLS))]
    known = [np.nan if grade is None else float(grade) for grade in grades]
    return np.array(known, np.float64).reshape(counts.shape[:-1])


_NUCLEI = tuple(f"nuclei_{grade}" for grade in range(4))
_CELLS = tuple(f"cells_{grade}" for grade in range(4))
_PERCENT_EDGES = (1.0, 10.0, 100 / 3, 200 / 3)
_H_EDGES = (50.0, 100.0, 200.0)

MEASURES = (
    Measure(
        "dab_area", "DAB area", "%", "100 · positive area / area of tissue",
        lambda t: _share(t.of(*_POSITIVE), t.of("inside"), 100.0), _PERCENT_EDGES,
    ),
    Measure(
        "iod", "IOD per area", "OD", "Σ DAB OD of positive pixels · pixel area / area of tissue",
        lambda t: _share(t.of("iod"), t.of("inside")), (),
    ),
    Measure(
        "h_score", "H-score, pixels", "0–300", "1 · weak % + 2 · moderate % + 3 · strong % of area",
        lambda t: _h_score(t, _POSITIVE, ("inside",)), _H_EDGES,
    ),
    Measure(
        "positive_nuclei", "Positive nuclei", "%", "100 · nuclei of grade 1 to 3 / nuclei",
        lambda t: _share(t.of(*_NUCLEI[1:]), t.of(*_NUCLEI), 100.0), _PERCENT_EDGES,
        "nuclei", _NUCLEI,
    ),
    Measure(
        "cell_h_score", "H-score, nuclei", "0–300", "1 · weak % + 2 · moderate % + 3 · strong %",
        lambda t: _h_score(t, _NUCLEI[1:], _NUCLEI), _H_EDGES, "nuclei", _NUCLEI,
    ),
    Measure(
        "membrane", "Membrane intensity", "OD", "mean DAB OD of the stained part of membranes",
        lambda t: _share(t.of("intensity"), t.of("membranes")), (), "stained cells", ("membranes",),
    ),
    Measure(
        "complete_membranes", "Complete membranes", "%", "100 · cells of grade 2 and 3 / cells",
        lambda t: _share(t.of(*_CELLS[2:]), t.of(*_CELLS), 100.0), (10.0,),
        "cells", _CELLS,
    ),
    Measure(
        "her2", "HER2 helper, no score", "0 to 3", "highest grade that over 10 % of cells reach",
        _her2, (0.5, 1.5, 2.5), "cells", _CELLS,
    ),
)  # fmt: skip
"""What is told of every square: areas always, nuclei or membranes where cells were looked at."""
