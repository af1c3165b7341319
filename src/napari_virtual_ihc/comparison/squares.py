"""The lattice of squares that scores are summed over, and the blocks that are read for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from skimage.measure import points_in_poly

from napari_virtual_ihc.comparison.scorer import Place, Scorer
from napari_virtual_ihc.comparison.tally import ATOM_UM
from napari_virtual_ihc.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide

Squares = tuple[int, int, int, int]
"""First row and column of squares, and how many rows and columns."""
BLOCK_ATOMS = 10
"""Squares along a block's side."""
_LEAST_GLASS = 4.0
_INWARDS = 0.01


class Box(NamedTuple):
    """A region of a slide in µm: top, left, height and width."""

    y: float
    x: float
    h: float
    w: float


def squares_of(slide: Slide, box: Box | None) -> Squares:
    """Return the squares that lie wholly inside a region of a slide; raises DataError for none."""
    height, width = slide.size_um
    y, x, h, w = box or Box(0.0, 0.0, height, width)
    top, left = (max(0, math.ceil(start / ATOM_UM - 1e-9)) for start in (y, x))
    bottom = math.floor(min(y + h, height) / ATOM_UM + 1e-9)
    right = math.floor(min(x + w, width) / ATOM_UM + 1e-9)
    if bottom <= top or right <= left:
        raise DataError(f"{slide.name}: the region holds no square of {ATOM_UM:g} µm.")
    return top, left, bottom - top, right - left


def blocks_of(squares: Squares) -> Iterator[Squares]:
    """Yield parts that lie on the lattice of 500 µm."""
    top, left, rows, columns = squares
    for row in range(top // BLOCK_ATOMS * BLOCK_ATOMS, top + rows, BLOCK_ATOMS):
        for column in range(left // BLOCK_ATOMS * BLOCK_ATOMS, left + columns, BLOCK_ATOMS):
            y, x = max(row, top), max(column, left)
            yield (
                y, x, min(row + BLOCK_ATOMS, top + rows) - y,
                min(column + BLOCK_ATOMS, left + columns) - x,
            )  # fmt: skip


def enclosed(squares: Squares, rings: Sequence[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Return which squares have all four corners inside a region, (rows, columns).

    Corners are taken a hundredth of a side inwards, so that a square on the outline is inside.

    Parameters
    ----------
    squares
        Which.
    rings
        Outlines of the region's parts and of their holes, each (n, 2), (y, x) in µm: inside is what
        an odd number of them holds.

    Raises
    ------
    DataError
        If no square is inside.
    """
    top, left, rows, columns = squares
    near, far = _INWARDS, 1 - _INWARDS
    y, x = np.mgrid[top : top + rows, left : left + columns]
    corners = np.array([(y + dy, x + dx) for dy in (near, far) for dx in (near, far)]) * ATOM_UM
    places = np.moveaxis(corners, 1, -1).reshape(-1, 2)
    held = np.array([points_in_poly(places, ring) for ring in rings])
    whole: NDArray[np.bool_] = (held.sum(axis=0) % 2 == 1).reshape(4, rows, columns).all(axis=0)
    if not whole.any():
        raise DataError(f"The region holds no square of {ATOM_UM:g} µm.")
    return whole


def area_of(inside: NDArray[np.bool_], place: Place) -> NDArray[np.float64]:
    """Return the area of a mask per square, µm², (rows, columns)."""
    atoms = place.pixels(*inside.shape)
    rows, columns = place.squares[2:]
    counts = np.bincount(atoms[inside & (atoms >= 0)], minlength=rows * columns)
    return counts.reshape(rows, columns).astype(np.float64) * place.mpp**2


def window_of(
    block: tuple[int, int, int, int], scorer: Scorer, mpp: float
) -> tuple[Place, int, int]:
    """Return the pixels that a block's squares need, on the slide's grid at ``mpp``.

    The block of the whole lattice is read even where a region cuts it, so that nuclei are the same.
    """
    around = math.ceil((scorer.reach_um + _LEAST_GLASS) / mpp)
    row, column = (BLOCK_ATOMS * (start // BLOCK_ATOMS) for start in block[:2])
    side = BLOCK_ATOMS * ATOM_UM / mpp
    ends = [(start * ATOM_UM / mpp, start * ATOM_UM / mpp + side) for start in (row, column)]
    (top, bottom), (left, right) = ((math.floor(a), math.ceil(b)) for a, b in ends)
    place = Place(top - around, left - around, mpp, block)
    return place, bottom - top + 2 * around, right - left + 2 * around
