"""Where virtual and real differ most: comparable squares by their difference of DAB area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.plots import to_plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.comparison.agreement import Paired


@dataclass(frozen=True)
class Disagreement:
    """A square in which virtual and real differ.

    Attributes
    ----------
    y_um, x_um, square_um
        Its corner and side, µm.
    virtual, real
        DAB area of both, per cent of comparable tissue.
    """

    y_um: float
    x_um: float
    square_um: float
    virtual: float
    real: float

    @property
    def middle_um(self) -> tuple[float, float]:
        """Its middle, (y, x) in µm."""
        half = self.square_um / 2
        return self.y_um + half, self.x_um + half


def disagreements(found: Sequence[Paired]) -> tuple[Disagreement, ...]:
    """Return the squares that differ in DAB area, the largest absolute difference first.

    They are those that are plotted, nearest to 100 µm; equal differences stay row by row.

    Parameters
    ----------
    found
        Agreement of every measure at every size of square.
    """
    squares = to_plot([one for one in found if one.measure.name == "dab_area"])
    if squares is None:
        return ()
    apart = np.abs(squares.virtual - squares.real)
    order = np.argsort(-apart, kind="stable")
    values = np.column_stack([squares.y_um, squares.x_um, squares.virtual, squares.real])
    return tuple(
        Disagreement(y, x, squares.square_um, virtual, real)
        for y, x, virtual, real in values[order[apart[order] > 0]].tolist()
    )
