"""Two slides on one µm grid, scored alike, block by block."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_virtual_ihc.comparison.comparability import VERDICTS, Verdict
from napari_virtual_ihc.comparison.pair_tally import PairTally
from napari_virtual_ihc.comparison.squares import (
    BLOCK_ATOMS,
    Box,
    Squares,
    area_of,
    blocks_of,
    enclosed,
    squares_of,
    window_of,
)
from napari_virtual_ihc.comparison.tally import FIELDS, Tally
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.stains.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.scorer import Place, Scorer
    from napari_virtual_ihc.slides.slide import Slide

    Sums = NDArray[np.float64]

_REMEMBERED = 2000
_JUDGED = tuple(one for one in Verdict if one != Verdict.GLASS)
_LAYOUT = (*FIELDS, *FIELDS, "both", "tissue", *(VERDICTS[one] for one in _JUDGED))
"""Of a square: sums of both slides, area positive in both, tissue with a virtual stain, and that
by the gate's verdict."""
_BOTH, _TISSUE, _VERDICTS = 2 * len(FIELDS), 2 * len(FIELDS) + 1, 2 * len(FIELDS) + 2
_COMPARABLE = _VERDICTS + _JUDGED.index(Verdict.COMPARABLE)


class Gate(Protocol):
    """Says where two slides can be compared, and why not elsewhere."""

    @property
    def name(self) -> str:
        """Return the rule, to stand beside every number."""
        ...

    def verdicts(self, row: int, column: int, h: int, w: int, mpp: float) -> NDArray[np.uint8]:
        """Return the `Verdict` of each pixel of a window of the grid at ``mpp``, (h, w)."""
        ...


def require_aligned(virtual: Slide, real: Slide) -> None:
    """Refuse two slides that cannot lie on each other.

    Raises
    ------
    DataError
        If their sizes in µm differ by more than 1 %.
    """
    first, second = virtual.size_um, real.size_um
    if any(abs(a - b) > 0.01 * max(a, b) for a, b in zip(first, second, strict=True)):
        sizes = " and ".join(f"{h:.0f} × {w:.0f} µm" for h, w in (first, second))
        raise DataError(
            f"{virtual.name} and {real.name} measure {sizes}; register the real one first."
        )


def score_pair(
    virtual: Slide,
    real: Slide,
    scorer: Scorer,
    mpp: float,
    box: Box | None = None,
    gate: Gate | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    everywhere: bool = False,
) -> PairTally:
    """Score two aligned slides over the tissue that both have; see `PairScorer`.

    Parameters
    ----------
    mpp
        Scale of reading, µm/px; cells want 0.2 to 0.6.
    box
        Region; squares of 50 µm that lie wholly inside it are scored. All of it by default.
    gate
        Where the slides can be compared; everywhere by default.
    everywhere
        Whether all tissue is measured, and the gate only says how much of it is comparable.
    """
    scored = PairScorer(virtual, real, scorer, mpp, gate, everywhere=everywhere)
    return scored.tally(box, progress)


class PairScorer:
    """Scores two aligned slides over the tissue that both have, and remembers what it scored.

    Slides are read in blocks of 500 µm anchored to the corner, with the margin cells need, so
    that a region's numbers do not depend on what else is scored.

    Parameters
    ----------
    virtual, real, scorer, mpp, gate, everywhere
        See `score_pair`.
    """

    def __init__(
        self, virtual: Slide, real: Slide, scorer: Scorer, mpp: float, gate: Gate | None = None,
        *, everywhere: bool = False,
    ) -> None:  # fmt: skip
        self._slides, self._scorer, self._mpp, self._gate = (virtual, real), scorer, mpp, gate
        self._gated = gate is not None and not everywhere
        self._whole = squares_of(virtual, None)
        self._known: OrderedDict[tuple[int, int], Sums] = OrderedDict()

    @property
    def protocol(self) -> str:
        """How it measures, and inside what."""
        where = "tissue of both"
        if self._gate is not None:
            where += f", {'' if self._gated else 'all of it; of that '}{self._gate.name}"
        return f"{self._scorer.protocol}; read at {self._mpp:g} µm/px; {where}"

    def forget(self) -> None:
        """Read everything anew from now on."""
        self._known.clear()

    def tally(
        self,
        box: Box | None = None,
        progress: Callable[[int, int], None] | None = None,
        rings: Sequence[NDArray[np.float64]] = (),
    ) -> PairTally:
        """Return the sums of the squares of a region, or of the slide.

        Parameters
        ----------
        box
            See `score_pair`.
        progress
            Called before each block and at the end; what it raises ends the work.
        rings
            Outlines and holes of a region, see `enclosed`: only squares wholly inside it count;
            all of the box where there are none.

        Raises
        ------
        DataError
            If the region holds no square.
        """
        squares = squares_of(self._slides[0], box)
        top, left, rows, columns = squares
        whole = np.zeros((rows, columns, len(_LAYOUT)))
        blocks = list(blocks_of(squares))
        for done, block in enumerate(blocks):
            if progress is not None:
                progress(done, len(blocks))
            here = np.s_[block[0] - top :, block[1] - left :]
            whole[here][: block[2], : block[3]] = self._part(block)
        if progress is not None:
            progress(len(blocks), len(blocks))
        if rings:
            whole[~enclosed(squares, rings)] = 0
        return self._tally_of(whole, top, left)

    def _part(self, block: Squares) -> Sums:
        """Return the sums of a part of a block of the lattice."""
        key = block[0] // BLOCK_ATOMS, block[1] // BLOCK_ATOMS
        if key not in self._known:
            self._known[key] = self._score(self._lattice(key))
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        row, column = (start % BLOCK_ATOMS for start in block[:2])
        return self._known[key][row : row + block[2], column : column + block[3]]

    def _lattice(self, key: tuple[int, int]) -> Squares:
        """Return a whole block, as far as the slide has squares."""
        y, x = (index * BLOCK_ATOMS for index in key)
        rows, columns = (
            min(BLOCK_ATOMS, end - start)
            for start, end in zip((y, x), self._whole[2:], strict=True)
        )
        return y, x, rows, columns

    def _score(self, block: Squares) -> Sums:
        scorer, mpp = self._scorer, self._mpp
        place, h, w = window_of(block, scorer, mpp)
        y, x = place.row * mpp, place.column * mpp
        views = [slide.region(y, x, h, w, mpp) for slide in self._slides]
        masks = [
            view.valid & tissue_mask(view.pixels, mpp, slide.background)
            for slide, view in zip(self._slides, views, strict=True)
        ]
        stained, inside = masks[0], masks[0] & masks[1]
        judged = self._judged(place, h, w)
        stained &= judged != Verdict.GLASS
        if self._gated:
            inside &= judged == Verdict.COMPARABLE
        first, second = (scorer.tally(view.pixels, inside, place).sums for view in views)
        positive = [scorer.positive(view.pixels) for view in views]
        both = area_of(inside & positive[0] & positive[1], place)
        verdicts = (area_of(stained & (judged == one), place) for one in _JUDGED)
        areas = [both, area_of(stained, place), *verdicts]
        return np.concatenate([first, second, np.stack(areas, axis=-1)], axis=-1)

    def _judged(self, place: Place, h: int, w: int) -> NDArray[np.uint8]:
        if self._gate is None:
            return np.full((h, w), Verdict.COMPARABLE, np.uint8)
        return self._gate.verdicts(place.row, place.column, h, w, self._mpp)

    def _tally_of(self, whole: Sums, top: int, left: int) -> PairTally:
        fields = len(FIELDS)
        virtual, real = (
            Tally(part, top, left) for part in (whole[..., :fields], whole[..., fields:_BOTH])
        )
        areas = whole[..., _VERDICTS:].sum(axis=(0, 1)).tolist()
        judged = {} if self._gate is None else dict(zip(_LAYOUT[_VERDICTS:], areas, strict=True))
        return PairTally(
            virtual, real, whole[..., _BOTH], whole[..., _TISSUE], whole[..., _COMPARABLE],
            judged, self.protocol, self._gated,
        )  # fmt: skip
