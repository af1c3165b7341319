"""How alike two sections look through a map, square by square."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_virtual_ihc.registration.refine import Level, at_level, surfaces_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.mapping import Mapping
    from napari_virtual_ihc.registration.view import View

SIDE, SQUARE = 320, 40


class Likeness(NamedTuple):
    """Squares of the fixed section that hold tissue, seen through a map.

    Attributes
    ----------
    seats
        Row and column of each square, (n, 2).
    scores
        Correlation where the map puts it, (n,).
    """

    seats: NDArray[np.intp]
    scores: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean correlation; 0 where there is no square."""
        return float(self.scores.mean()) if len(self.scores) else 0.0

    @property
    def known(self) -> float | None:
        """Mean correlation; None where there is no square."""
        return self.mean if len(self.scores) else None

    def only(self, seats: NDArray[np.bool_]) -> Likeness:
        """Return the squares whose seats are marked in (rows, cols) bool."""
        inside = seats[tuple(self.seats.T)]
        return Likeness(self.seats[inside], self.scores[inside])


def likeness(fixed: View, moving: View, mapping: Mapping) -> Likeness:
    """Return how alike squares of about an eighth of the section's longer side look."""
    views = at_level(fixed, moving, SIDE)
    found = surfaces_of(*views, mapping, Level(SIDE, SQUARE, SQUARE, 0))
    return Likeness(found.seats, found.unshifted())


def squares_of(fixed: View) -> tuple[int, int, float]:
    """Return rows and columns of squares that `likeness` lays over a view, and their side in px."""
    step = max(max(fixed.shape) / SIDE, 1.0)
    rows, cols = (round(n / step) // SQUARE for n in fixed.shape)
    return rows, cols, SQUARE * step
