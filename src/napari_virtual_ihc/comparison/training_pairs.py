"""Which squares of two registered slides make training pairs, and on which side of the split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.comparison.comparability import VERDICTS, Verdict
from napari_virtual_ihc.comparison.comparability import comparability as judge
from napari_virtual_ihc.comparison.gate import map_shape
from napari_virtual_ihc.comparison.held_out import split_squares
from napari_virtual_ihc.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.gate import SlidePair
    from napari_virtual_ihc.registration.registration import Registration

    Report = Callable[[int, int], None]

Split = Literal["train", "val"]
GAP = "beside a held-out square"
"""Why a square is dropped that touches one that is held out."""
_STEP = 32
"""Cells along a block's side, which is read at once."""
_ALMOST = 0.95
"""Of the coarsest slide's µm/px: pairs may be a little finer."""


@dataclass(frozen=True)
class PairSettings:
    """How pairs are cut.

    Attributes
    ----------
    mpp
        Their scale, µm/px.
    marker
        What the IHC shows.
    side
        Side of a pair, px.
    tissue
        Least share of a pair that is tissue of either slide.
    comparable
        Least share of that tissue that is comparable.
    held_out
        Share of the pairs that is kept for validation.

    Raises
    ------
    DataError
        If a share is no share, or pairs are smaller than 16 px.
    """

    mpp: float
    marker: str
    side: int = 512
    tissue: float = 0.25
    comparable: float = 0.9
    held_out: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what cannot be cut."""
        if self.side < 16:
            raise DataError(f"Pairs of {self.side} px are too small; take 16 px or more.")
        for name in ("tissue", "comparable"):
            if not 0 < getattr(self, name) <= 1:
                raise DataError(f"The least share '{name}' is over 0 and up to 1.")
        if not 0 <= self.held_out < 1:
            raise DataError("The share that is held out is 0 or more, and below 1.")

    @property
    def side_um(self) -> float:
        """Side of a pair, µm."""
        return self.side * self.mpp


@dataclass(frozen=True)
class Square:
    """One pair to cut: its place on the lattice of pairs, and its side of the split."""

    row: int
    column: int
    split: Split


@dataclass(frozen=True)
class PairPlan:
    """What is cut from two slides, and what is not.

    Attributes
    ----------
    squares
        Pairs, row by row.
    squares_in_all
        Whole squares of the lattice.
    dropped
        How many of these are not cut, by reason.
    tissue
        Share of the tissue that has each verdict of the comparability map.
    """

    squares: tuple[Square, ...]
    squares_in_all: int
    dropped: dict[str, int]
    tissue: dict[str, float]


def plan_pairs(
    pair: SlidePair, registration: Registration, settings: PairSettings, report: Report
) -> PairPlan:
    """Return which squares to cut: whole ones of a lattice that begins at the H&E's corner.

    Held out are blocks of up to 4 × 4 squares, drawn by a hash of their place; squares that touch
    them, corners included, are not trained on, so that no tissue is seen on both sides.

    Parameters
    ----------
    pair
        The H&E and the IHC that is laid onto it.
    registration
        Which lays it there.
    report
        Called with blocks looked at and blocks in all; may raise to stop.

    Raises
    ------
    DataError
        If a slide is coarser than the pairs, or no square is comparable.
    """
    _require_scale(registration, settings.mpp)
    found = verdicts(pair, report)
    reasons = _reasons(found, pair.layout.cell_um, pair.fixed.size_um, settings)
    kept = reasons == Verdict.COMPARABLE
    if not kept.any():
        raise DataError(_nothing(pair, found, reasons, settings))
    held, gap = split_squares(kept, settings.held_out, pair.fixed.fingerprint)
    squares = tuple(
        Square(int(row), int(column), "val" if held[row, column] else "train")
        for row, column in np.argwhere(kept & ~gap)
    )
    dropped = {
        VERDICTS[verdict]: int((reasons == verdict).sum())
        for verdict in Verdict
        if verdict != Verdict.COMPARABLE and (reasons == verdict).any()
    }
    dropped |= {GAP: int(gap.sum())} if gap.any() else {}
    return PairPlan(squares, reasons.size, dropped, shares(found))


def verdicts(pair: SlidePair, report: Report) -> NDArray[np.uint8]:
    """Return the comparability of two whole slides, (rows, columns) of `Verdict`.

    Parameters
    ----------
    report
        Called with blocks looked at and blocks in all; may raise to stop.
    """
    whole = np.zeros(map_shape(pair), np.uint8)
    boxes = list(_boxes(*whole.shape))
    for done, (row, column, rows, columns) in enumerate(boxes, 1):
        view = pair.view(row, column, rows, columns)
        whole[row : row + rows, column : column + columns] = judge(view).verdicts
        report(done, len(boxes))
    return whole


def shares(found: NDArray[np.uint8]) -> dict[str, float]:
    """Return the share of the tissue that has each verdict; nothing without tissue."""
    tissue = int((found != Verdict.GLASS).sum())
    return {
        words: float((found == verdict).sum()) / tissue
        for verdict, words in VERDICTS.items()
        if tissue and verdict != Verdict.GLASS
    }


def _boxes(rows: int, columns: int) -> Iterator[tuple[int, int, int, int]]:
    for row in range(0, rows, _STEP):
        for column in range(0, columns, _STEP):
            yield row, column, min(_STEP, rows - row), min(_STEP, columns - column)


def _reasons(
    found: NDArray[np.uint8], cell_um: float, size_um: tuple[float, float], settings: PairSettings
) -> NDArray[np.uint8]:
    """Return the verdict on each whole square of the lattice of pairs."""
    side = settings.side_um
    rows, columns = (math.floor(length / side + 1e-9) for length in size_um)
    judged = np.zeros((rows, columns), np.uint8)
    for row, column in np.ndindex(rows, columns):
        window = tuple(
            slice(math.floor(n * side / cell_um), math.ceil((n + 1) * side / cell_um))
            for n in (row, column)
        )
        judged[row, column] = _reason(found[window], settings)
    return judged


def _reason(window: NDArray[np.uint8], settings: PairSettings) -> int:
    counts = np.bincount(window.ravel(), minlength=len(Verdict))
    tissue = counts.sum() - counts[Verdict.GLASS]
    if tissue < settings.tissue * window.size:
        return int(Verdict.GLASS)
    if counts[Verdict.COMPARABLE] >= settings.comparable * tissue:
        return int(Verdict.COMPARABLE)
    counts[[Verdict.GLASS, Verdict.COMPARABLE]] = 0
    return int(counts.argmax())


def _require_scale(registration: Registration, mpp: float) -> None:
    coarsest = max(registration.fixed.mpp, registration.moving.mpp)
    if mpp < _ALMOST * coarsest:
        raise DataError(
            f"Pairs at {mpp:g} µm/px would be finer than the slides, of which one has "
            f"{coarsest:.4g} µm/px; cut at that or coarser."
        )


def _nothing(
    pair: SlidePair, found: NDArray[np.uint8], reasons: NDArray[np.uint8], settings: PairSettings
) -> str:
    """Return why no square can be cut, in one sentence."""
    slides = f"{pair.fixed.name} and {pair.moving.name}"
    told = {words: share for words, share in shares(found).items() if share > 0}
    if not told:
        return f"{slides} show no tissue, so no pair was cut."
    if not reasons.size:
        return f"{slides} hold no whole square of {settings.side_um:g} µm, so no pair was cut."
    most = ", ".join(
        f"{share:.0%} {words}" for words, share in sorted(told.items(), key=lambda one: -one[1])
    )
    return (
        f"{slides} have no square of {settings.side_um:g} µm that is comparable enough, so no pair "
        f"was cut; of their tissue: {most}."
    )
