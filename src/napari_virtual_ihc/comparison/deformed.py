"""What a registration says of the cells of a window, made where it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.parting import EDGE, STEP, Parting
from napari_virtual_ihc.registration import affine as affine_map
from napari_virtual_ihc.registration.view import GREY_REACH, grey_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.parting import Grey
    from napari_virtual_ihc.comparison.windows import Layout
    from napari_virtual_ihc.registration.mapping import Mapping
    from napari_virtual_ihc.slides.slide import Slide

    Values = NDArray[np.float64]

_BLOCKS_UM = 4.0
_STEPS = 4096
"""Steps of grey in 1, so that its sums are exact whatever window they are taken in."""


@dataclass(frozen=True, eq=False)
class Deformation:
    """A registration in the cells of a window.

    Attributes
    ----------
    mapping
        Fixed µm → moving µm.
    fixed, moving
        The slides, the moving one laid onto the fixed one by ``mapping``.
    layout
        How cells lie on them.
    rows, columns
        Cells of the window.
    """

    mapping: Mapping
    fixed: Slide
    moving: Slide
    layout: Layout
    rows: range
    columns: range

    @property
    def mpp(self) -> float:
        """Scale at which blocks are matched, a whole part of a cell: 4 µm/px or a little more."""
        cell = self.layout.cell_um
        return cell / max(int(cell / max(_BLOCKS_UM, self.layout.mpp)), 1)

    @property
    def displacement(self) -> Values:
        """Length of the field beyond the affine map, µm."""
        places = self.places
        if self.mapping.field is None:
            return np.zeros(places.shape[:2])
        return np.asarray(np.linalg.norm(self.mapping.field.at(places), axis=-1), np.float64)

    @property
    def jacobian(self) -> Values:
        """Change of area beyond that of the affine map: 1 for none, 0 or less for a fold."""
        whole = abs(float(np.linalg.det(self.mapping.affine[:, :2])))
        return self.mapping.jacobian(self.places, STEP * self.mpp) / whole

    @property
    def residual(self) -> Values:
        """How far from itself a block comes back, µm; nan where it does not match."""
        return self._parting.residual[self._seats] * self.mpp

    @property
    def strain(self) -> Values:
        """Difference of shifts on both sides by their distance; nan where none is known."""
        return self._parting.strain[self._seats]

    @property
    def places(self) -> Values:
        """Centres of the cells in fixed µm, (rows, columns, 2)."""
        axes = [(np.array(part) + 0.5) * self.layout.cell_um for part in (self.rows, self.columns)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    @property
    def _nodes(self) -> list[NDArray[np.intp]]:
        """Node of the lattice of blocks nearest to each row and to each column."""
        cell = self.layout.cell_um / self.mpp / STEP
        return [
            np.rint((np.array(part) + 0.5) * cell).astype(np.intp)
            for part in (self.rows, self.columns)
        ]

    @property
    def _seats(self) -> tuple[NDArray[np.intp], ...]:
        return np.ix_(*(nodes - nodes[0] for nodes in self._nodes))

    @cached_property
    def _parting(self) -> Parting:
        first, last = (np.array([nodes[end] for nodes in self._nodes]) * STEP for end in (0, -1))
        around = EDGE + GREY_REACH
        top, left = (first - around) * self.mpp
        h, w = last - first + 2 * around

        def read(slide: Slide) -> tuple[Grey, NDArray[np.bool_]]:
            seen = slide.region(float(top), float(left), int(h), int(w), self.mpp)
            known = seen.valid & self._inside(first - around, seen.valid.shape)
            grey = grey_of(seen.pixels, known, slide.background, self.mpp)
            inner = slice(GREY_REACH, -GREY_REACH)
            exact = (np.rint(grey * _STEPS) / _STEPS).astype(np.float32)
            return exact[inner, inner], known[inner, inner]

        def carried(places: Values) -> Values:
            """Take places in px of the first node through the map, its affine part taken off."""
            moved = self.mapping.apply((places + first) * self.mpp)
            back = affine_map.inverse(self.mapping.affine)
            return np.asarray(affine_map.apply(back, moved) / self.mpp - first, np.float64)

        (one, there), (other, here) = read(self.fixed), read(self.moving)
        return Parting(one, other, there & here, carried)

    def _inside(self, corner: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return which pixels lie on the fixed slide; beyond its edges it would be mirrored."""
        down, along = (
            (start + np.arange(side) >= 0) & ((start + np.arange(side) + 1) * self.mpp <= size)
            for start, side, size in zip(corner, shape, self.fixed.size_um, strict=True)
        )
        return np.asarray(down[:, None] & along, np.bool_)
