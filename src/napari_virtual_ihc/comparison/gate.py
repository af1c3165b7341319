"""The comparability of two slides, read where it is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.comparability import DEFAULT_RULES, Rules, comparability
from napari_virtual_ihc.comparison.deformed import Deformation
from napari_virtual_ihc.comparison.views import PairView
from napari_virtual_ihc.comparison.windows import Layout
from napari_virtual_ihc.registration.warp import WarpedSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.density import Kind
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide

_FINEST = 1.0
"""µm/px."""


def layout_for(*slides: Slide) -> Layout:
    """Return the layout of maps of some slides: 1 µm/px, or that of the coarsest slide."""
    return Layout(max(_FINEST, *(slide.require_mpp() for slide in slides)))


@dataclass(frozen=True)
class SlidePair:
    """Two slides on one µm grid.

    Attributes
    ----------
    fixed, moving
        H&E or virtual IHC, and the real IHC, registered; if by `registration.warp.warp`, tears
        and folds are seen too.
    fixed_kind
        Stains of ``fixed``.
    layout
        How maps lie on them.
    he
        H&E of a virtual ``fixed``: tears and folds are told by it, since that looks far around
        and virtual pixels are dear.
    """

    fixed: Slide
    moving: Slide
    fixed_kind: Kind
    layout: Layout
    he: Slide | None = None

    def view(self, row: int, column: int, rows: int, columns: int) -> PairView:
        """Return the window that cells of a map need; places and sizes are in cells."""
        layout = self.layout
        around = layout.margin
        y, x = (start * layout.cell_um - around * layout.mpp for start in (row, column))
        h, w = (count * layout.cell + 2 * around for count in (rows, columns))
        first, second = (
            slide.region(y, x, h, w, layout.mpp).pixels for slide in (self.fixed, self.moving)
        )
        glass = self.fixed.background, self.moving.background
        cells = range(row, row + rows), range(column, column + columns)
        return PairView(first, second, layout, self.fixed_kind, glass, self._deformation(*cells))

    @property
    def registration(self) -> Registration | None:
        """How the moving slide was laid onto the fixed one; None where it was not."""
        source = self.moving.source
        return source.registration if isinstance(source, WarpedSource) else None

    def _deformation(self, rows: range, columns: range) -> Deformation | None:
        found = self.registration
        if found is None:
            return None
        return Deformation(
            found.mapping, self.he or self.fixed, self.moving, self.layout, rows, columns
        )


@dataclass(frozen=True)
class ComparableTissue:
    """Lets through only where two slides are comparable.

    Attributes
    ----------
    pair
        The slides.
    rules
        Thresholds of the comparability map.
    """

    pair: SlidePair
    rules: Rules = DEFAULT_RULES

    @property
    def name(self) -> str:
        """Return the rules, to stand beside every number."""
        return f"{self.rules.name}, {self.pair.layout.window_words}"

    def verdicts(self, row: int, column: int, h: int, w: int, mpp: float) -> NDArray[np.uint8]:
        """Return the `Verdict` of each pixel of a window, (h, w).

        Parameters
        ----------
        row, column, h, w
            Place and size of the window, in px of the slide's grid at ``mpp`` µm/px.
        """
        cell = self.pair.layout.cell_um
        down, along = (
            np.floor((start + np.arange(side) + 0.5) * mpp / cell).astype(np.int64)
            for start, side in ((row, h), (column, w))
        )
        shape = int(down[-1] - down[0]) + 1, int(along[-1] - along[0]) + 1
        view = self.pair.view(int(down[0]), int(along[0]), *shape)
        found = comparability(view, rules=self.rules).verdicts
        whole: NDArray[np.uint8] = found[np.ix_(down - down[0], along - along[0])]
        return whole


def map_shape(pair: SlidePair) -> tuple[int, int]:
    """Return rows and columns of cells of the maps of a whole pair."""
    height, width = pair.fixed.size_um
    cell = pair.layout.cell_um
    return math.ceil(height / cell - 1e-9), math.ceil(width / cell - 1e-9)
