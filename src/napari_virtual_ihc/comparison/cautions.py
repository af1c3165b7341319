"""When a number stands on too little to be taken as one, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.agreement import counts
from napari_virtual_ihc.comparison.tally import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_virtual_ihc.comparison.pair_tally import PairTally

CELLS = ("nuclei", "cells")
LEAST_CELLS = 100
"""Nuclei or cells on each slide under which their shares are too uncertain."""
LEAST_COMPARABLE = 0.1
"""Share of the tissue that is comparable under which what is measured stands for little of it."""
LEAST_SQUARES = 10
"""Squares under which an agreement is too uncertain."""
TOO_FEW = "too few to tell"


def cautions(pair: PairTally) -> tuple[str, ...]:
    """Return what a reader of a region's numbers must be warned of, one sentence each."""
    return (*_of_comparable(pair), *_of_cells(pair))


def _of_comparable(pair: PairTally) -> Iterator[str]:
    share = pair.comparable
    if math.isfinite(share) and share < LEAST_COMPARABLE:
        measured = "what is measured stands for little of it" if pair.gated else (
            "most of what is measured cannot be compared"
        )  # fmt: skip
        yield (
            f"Only {100 * share:.2g} % of the tissue is comparable, under "
            f"{100 * LEAST_COMPARABLE:g} %: {measured}."
        )


def _of_cells(pair: PairTally) -> Iterator[str]:
    found = counts(pair)
    told = {
        one.items: found[one.name] for one in MEASURES if one.items in CELLS
    }  # fmt: skip
    for items, both in told.items():
        virtual, real = round(both["virtual"]), round(both["real"])
        if max(virtual, real) > 0 and min(virtual, real) < LEAST_CELLS:
            yield (
                f"Only {virtual} {items} on the virtual and {real} on the real slide were counted, "
                f"where {LEAST_CELLS} each are the least: numbers made of them are too uncertain."
            )
