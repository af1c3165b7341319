"""What the user sees of a pyramid, as a rectangle of level-0 pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_virtual_ihc.tiles.producer import TileAddress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_virtual_ihc.tiles.grid import TileGrid

View = tuple[float, float, float, float]
"""Top, left, bottom, right in level-0 pixels."""


def overlap(one: View, other: View) -> View:
    """Return what two views share; empty where they share nothing."""
    top, left = max(one[0], other[0]), max(one[1], other[1])
    return top, left, min(one[2], other[2]), min(one[3], other[3])


def middle(view: View) -> tuple[float, float]:
    """Return the centre of a view, (y, x)."""
    return (view[0] + view[2]) / 2, (view[1] + view[3]) / 2


def in_view(address: TileAddress, tile: int, view: View | None) -> bool:
    """Return whether a tile of side ``tile`` px reaches into the view (None: everything)."""
    if view is None:
        return True
    side = tile << address.level
    y, x = address.row * side, address.col * side
    return view[0] < y + side and y < view[2] and view[1] < x + side and x < view[3]


def tiles_in(view: View, grid: TileGrid, level: int) -> Iterator[TileAddress]:
    """Yield the tiles of a level that reach into a view; ``grid`` is level 0's."""
    top, left, bottom, right = (side / 2**level for side in view)
    span = math.floor(top), math.ceil(bottom), math.floor(left), math.ceil(right)
    for row, col in grid.level(level).covering(*span):
        yield TileAddress(level, row, col)
