"""The seam figure of a finished output whose tiles do not fit each other exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.measures.seam import SeamFigure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

_MOST_BORDERS = 128

Place = tuple[int, int]


def measured_seam(pyramid: OmeZarrPyramid, group: int) -> float | None:
    """Return how visible the borders between jointly computed blocks are; None without borders.

    Parameters
    ----------
    pyramid
        A finished output.
    group
        Tiles per side of a block: borders inside a block have no seam by construction.

    Notes
    -----
    See `SeamFigure`: 1 means that borders cannot be told. Up to 128 borders, evenly spread.
    """
    figure = SeamFigure(pyramid.tile)
    borders = list(_borders(pyramid, group))
    chosen = np.linspace(0, len(borders) - 1, min(len(borders), _MOST_BORDERS)).round()
    for number in chosen.astype(int):
        (row, col), (rows, cols) = borders[number]
        side = pyramid.tile
        figure.update(pyramid.read(0, row * side, col * side, rows * side, cols * side))
    found = figure.compute()
    return round(found, 3) if np.isfinite(found) else None


def _borders(pyramid: OmeZarrPyramid, group: int) -> Iterator[tuple[Place, Place]]:
    """Yield the first tile and the extent in tiles of written neighbours of two blocks."""
    rows, cols = pyramid.grid
    for row, col in np.ndindex(rows, cols):
        below, beside = (row + 1, col), (row, col + 1)
        crossing = [(below, (2, 1))] if below[0] % group == 0 and below[0] < rows else []
        crossing += [(beside, (1, 2))] if beside[1] % group == 0 and beside[1] < cols else []
        for other, extent in crossing:
            if pyramid.has_tile(row, col) and pyramid.has_tile(*other):
                yield (row, col), extent
