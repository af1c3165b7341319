"""Two slides on one µm grid, scored alike, block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from napari_virtual_ihc.comparison.scorer import Place, Scorer
from napari_virtual_ihc.comparison.tally import ATOM_UM, FIELDS, Tally
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.stains.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide

_BLOCK_ATOMS = 10
_LEAST_GLASS = 4.0


class Box(NamedTuple):
    """A region of a slide in µm: top, left, height and width."""

    y: float
    x: float
    h: float
    w: float


class Gate(Protocol):
    """Says where two slides can be compared."""

    @property
    def name(self) -> str:
        """Return the rule, to stand beside every number."""
        ...

    def inside(self, row: int, column: int, h: int, w: int, mpp: float) -> NDArray[np.bool_]:
        """Return which pixels of a window of the grid at ``mpp`` are comparable, (h, w)."""
        ...


@dataclass(frozen=True)
class PairTally:
    """Two slides scored alike over the same tissue.

    Attributes
    ----------
    virtual, real
        Sums per square of 50 µm.
    both
        Area positive in both, µm² per square.
    tissue_um2
        Tissue of both slides, before the gate.
    protocol
        How it was measured, and inside what.
    """

    virtual: Tally
    real: Tally
    both: NDArray[np.float64]
    tissue_um2: float
    protocol: str

    @property
    def comparable(self) -> float:
        """Share of the tissue that the gate let through, 0 to 1; nan without tissue."""
        kept = float(self.real.of("inside").sum())
        return kept / self.tissue_um2 if self.tissue_um2 else float("nan")


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
) -> PairTally:
    """Score two aligned slides over the tissue that both have.

    Slides are read in blocks of 500 µm anchored to the corner, with the margin cells need, so
    that a region's numbers do not depend on what else is scored.

    Parameters
    ----------
    mpp
        Scale of reading, µm/px; cells want 0.2 to 0.6.
    box
        Region; squares of 50 µm that lie wholly inside it are scored. All of it by default.
    gate
        Where the slides can be compared; everywhere by default.
    """
    squares = _squares(virtual, box)
    top, left, rows, columns = squares
    tallies = [np.zeros((rows, columns, len(FIELDS))) for _ in range(2)]
    both, tissue = np.zeros((rows, columns)), 0.0
    blocks = list(_blocks(squares))
    for done, block in enumerate(blocks, 1):
        one = _score_block((virtual, real), scorer, mpp, block, gate)
        here = np.s_[block[0] - top :, block[1] - left :]
        for whole, part in zip((*tallies, both), one[:3], strict=True):
            whole[here][: block[2], : block[3]] = part
        tissue += one[3]
        if progress is not None:
            progress(done, len(blocks))
    where = "tissue of both" + (f", {gate.name}" if gate else "")
    virtual_tally, real_tally = (Tally(sums, top, left) for sums in tallies)
    protocol = f"{scorer.protocol}; read at {mpp:g} µm/px; {where}"
    return PairTally(virtual_tally, real_tally, both, tissue, protocol)


def _squares(slide: Slide, box: Box | None) -> tuple[int, int, int, int]:
    height, width = slide.size_um
    y, x, h, w = box or Box(0.0, 0.0, height, width)
    top, left = (max(0, math.ceil(start / ATOM_UM - 1e-9)) for start in (y, x))
    bottom = math.floor(min(y + h, height) / ATOM_UM + 1e-9)
    right = math.floor(min(x + w, width) / ATOM_UM + 1e-9)
    if bottom <= top or right <= left:
        raise DataError(f"{slide.name}: the region holds no square of {ATOM_UM:g} µm.")
    return top, left, bottom - top, right - left


def _blocks(squares: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield parts that lie on the lattice of 500 µm."""
    top, left, rows, columns = squares
    for row in range(top // _BLOCK_ATOMS * _BLOCK_ATOMS, top + rows, _BLOCK_ATOMS):
        for column in range(left // _BLOCK_ATOMS * _BLOCK_ATOMS, left + columns, _BLOCK_ATOMS):
            y, x = max(row, top), max(column, left)
            yield (
                y, x, min(row + _BLOCK_ATOMS, top + rows) - y,
                min(column + _BLOCK_ATOMS, left + columns) - x,
            )  # fmt: skip


def _score_block(
    slides: tuple[Slide, Slide], scorer: Scorer, mpp: float, block: tuple[int, int, int, int],
    gate: Gate | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:  # fmt: skip
    place, h, w = _window(block, scorer, mpp)
    views = [s.region(place.row * mpp, place.column * mpp, h, w, mpp) for s in slides]
    inside = views[0].valid & views[1].valid
    for slide, view in zip(slides, views, strict=True):
        inside &= tissue_mask(view.pixels, mpp, slide.background)
    atoms = place.pixels(h, w)
    tissue = float((inside & (atoms >= 0)).sum()) * mpp**2
    if gate is not None:
        inside &= gate.inside(place.row, place.column, h, w, mpp)
    first, second = (scorer.tally(view.pixels, inside, place) for view in views)
    positive = [scorer.positive(view.pixels) for view in views]
    common = atoms[inside & positive[0] & positive[1] & (atoms >= 0)]
    both = np.bincount(common, minlength=block[2] * block[3]).reshape(block[2:])
    return first.sums, second.sums, both.astype(np.float64) * mpp**2, tissue


def _window(block: tuple[int, int, int, int], scorer: Scorer, mpp: float) -> tuple[Place, int, int]:
    """Return the pixels that a block's squares need, on the slide's grid at ``mpp``.

    The block of the whole lattice is read even where a region cuts it, so that nuclei are the same.
    """
    around = math.ceil((scorer.reach_um + _LEAST_GLASS) / mpp)
    row, column = (_BLOCK_ATOMS * (start // _BLOCK_ATOMS) for start in block[:2])
    side = _BLOCK_ATOMS * ATOM_UM / mpp
    ends = [(start * ATOM_UM / mpp, start * ATOM_UM / mpp + side) for start in (row, column)]
    (top, bottom), (left, right) = ((math.floor(a), math.ceil(b)) for a, b in ends)
    place = Place(top - around, left - around, mpp, block)
    return place, bottom - top + 2 * around, right - left + 2 * around
