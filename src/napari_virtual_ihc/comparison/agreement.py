"""How far virtual and real agree, square by square, at several sizes of square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.tally import MEASURES, Measure
from napari_virtual_ihc.measures.paired import dice, paired_agreement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.pair_tally import PairTally
    from napari_virtual_ihc.comparison.tally import Tally
    from napari_virtual_ihc.measures.bootstrap import Estimate

    Values = NDArray[np.float64]

SQUARES_UM = (50.0, 100.0, 250.0, 500.0)
LEAST_TISSUE = 0.25
"""A square counts only if at least this share of it is (comparable) tissue."""


@dataclass(frozen=True)
class Paired:
    """One measure of the squares of one size.

    Attributes
    ----------
    measure
        What was measured.
    square_um
        Side of a square, µm.
    y_um, x_um
        Corner of each square, (n,).
    virtual, real
        Its values, (n,).
    comparable
        Share of each square's tissue with a virtual stain that is comparable, (n,).
    items
        On how many items of the measure each was measured, virtual and real, (n, 2).
    statistics
        Agreement by name, see `measures.paired`; ``dice`` for the DAB area.
    """

    measure: Measure
    square_um: float
    y_um: Values
    x_um: Values
    virtual: Values
    real: Values
    comparable: Values
    items: Values
    statistics: dict[str, Estimate]


def agreements(
    pair: PairTally,
    squares_um: Sequence[float] = SQUARES_UM,
    tell: Callable[[int, int], None] | None = None,
) -> list[Paired]:
    """Return the agreement of every measure that has values, at every size of square.

    Whole squares with at least a quarter of (comparable) tissue count; a measure counts where both
    slides have a value, such as nuclei.

    Parameters
    ----------
    squares_um
        Sides of squares, multiples of 50 µm.
    tell
        Called with what is done and in all; what it raises ends the work.

    Returns
    -------
    list
        By measure, then by size.
    """
    seen = [measure for measure in MEASURES if _seen(measure, pair)]
    found: list[Paired] = []
    for measure in seen:
        for side in squares_um:
            if tell is not None:
                tell(len(found), len(seen) * len(squares_um))
            found.append(_agreement(pair, measure, side))
    return found


def counts(pair: PairTally) -> dict[str, dict[str, float]]:
    """Return on how many items of each measure the whole region was measured, for both slides."""
    sides = {"virtual": pair.virtual.total(), "real": pair.real.total()}
    return {
        measure.name: {name: float(measure.count(tally)[0, 0]) for name, tally in sides.items()}
        for measure in MEASURES
    }


def totals(pair: PairTally) -> dict[str, dict[str, float]]:
    """Return every measure of the whole region, for both slides; nan where it has none."""
    sides = {"virtual": pair.virtual.total(), "real": pair.real.total()}
    return {
        measure.name: {name: float(measure.of(tally)[0, 0]) for name, tally in sides.items()}
        for measure in MEASURES
    }


def _agreement(pair: PairTally, measure: Measure, side: float) -> Paired:
    virtual, real = pair.virtual.coarse(side), pair.real.coarse(side)
    values = measure.of(virtual), measure.of(real)
    kept = real.of("inside") >= LEAST_TISSUE * side**2
    kept &= np.isfinite(values[0]) & np.isfinite(values[1])
    items = np.stack([measure.count(virtual)[kept], measure.count(real)[kept]], axis=-1)
    return _paired(pair, measure, real, kept, values, items)


def _seen(measure: Measure, pair: PairTally) -> bool:
    return all(np.isfinite(measure.of(side.total())).any() for side in (pair.virtual, pair.real))


def _paired(
    pair: PairTally, measure: Measure, tally: Tally, kept: NDArray[np.bool_],
    values: tuple[Values, Values], items: Values,
) -> Paired:  # fmt: skip
    virtual, real = (value[kept] for value in values)
    rows, columns = np.nonzero(kept)
    statistics = paired_agreement(virtual, real, measure.edges)
    if measure.name == "dab_area":
        statistics["dice"] = _dice(pair, tally.square_um, kept)
    side = tally.square_um
    y = np.asarray((rows + tally.row) * side, np.float64)
    x = np.asarray((columns + tally.column) * side, np.float64)
    shares = _comparable(pair, side)[kept]
    return Paired(measure, side, y, x, virtual, real, shares, items, statistics)


def _comparable(pair: PairTally, side: float) -> Values:
    """Return the comparable share of each square's tissue; nan without any."""
    stained, comparable = (_coarse(pair, one, side) for one in (pair.stained, pair.comparable_um2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(stained > 0, comparable / stained, np.nan)


def _dice(pair: PairTally, side: float, kept: NDArray[np.bool_]) -> Estimate:
    """Return Dice of positive area over the squares that count."""
    virtual, real = pair.virtual.coarse(side), pair.real.coarse(side)
    positive = (tally.of("weak", "moderate", "strong")[kept] for tally in (virtual, real))
    return dice(_coarse(pair, pair.both, side)[kept], *positive)


def _coarse(pair: PairTally, area: Values, side: float) -> Values:
    """Return an area per square of 50 µm as one per square of a larger side."""
    sums = np.zeros_like(pair.real.sums)
    sums[..., 0] = area
    return type(pair.real)(sums, pair.real.row, pair.real.column).coarse(side).sums[..., 0]
