"""What a heatmap is made from, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.density import Kind, darkness, hematoxylin
from napari_virtual_ihc.comparison.windows import Layout, box_sum
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.stains.tissue import green_ink
from napari_virtual_ihc.tiles.heat import HeatScale

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.deformed import Deformation

    Values = NDArray[np.float64]

_TISSUE_OD = 50
_TISSUE_REACH = 2
_GLASS = (242, 242, 242)


class MapInfo(HeatScale):
    """What a heatmap of two slides shows."""

    def told(self, layout: Layout) -> str:
        """Return formula and window in one line."""
        unit = "" if self.classes else f" ({self.unit})"
        return f"{self.title}{unit}: {self.formula}; {layout.window_words}"


@dataclass(frozen=True)
class PairView:
    """The same window of two slides on one grid, with the layout's margin on each side.

    Attributes
    ----------
    fixed, moving
        (h, w, 3) uint8: H&E or virtual IHC, and the real IHC on its grid.
    layout
        How maps lie on them.
    fixed_kind
        Stains of ``fixed``.
    glass
        Colours of glass of both slides.
    deformation
        What the registration says of its cells; None where the slides were not registered.

    Raises
    ------
    DataError
        If shapes differ or hold no value beyond the margin.
    """

    fixed: NDArray[np.uint8]
    moving: NDArray[np.uint8]
    layout: Layout = field(default_factory=Layout)
    fixed_kind: Kind = "he"
    glass: tuple[tuple[int, int, int], tuple[int, int, int]] = (_GLASS, _GLASS)
    deformation: Deformation | None = None

    def __post_init__(self) -> None:
        """Refuse windows that do not lie on each other."""
        if self.fixed.shape != self.moving.shape:
            raise DataError(
                f"Windows of {self.fixed.shape[:2]} and {self.moving.shape[:2]} px cannot be "
                "compared; read both on one grid."
            )
        if min(self.shape) < 1:
            raise DataError(
                f"A window of {self.fixed.shape[:2]} px is smaller than the margin of "
                f"{self.layout.margin} px on each side and one cell."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of its maps."""
        h, w = (side - 2 * self.layout.margin for side in self.fixed.shape[:2])
        return h // self.layout.cell, w // self.layout.cell

    @cached_property
    def densities(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Hematoxylin of both, thousandths of OD."""
        return hematoxylin(self.fixed, self.fixed_kind), hematoxylin(self.moving, "ihc")

    @cached_property
    def greys(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sum of optical densities above glass of both, thousandths of OD."""
        return darkness(self.fixed, self.glass[0]), darkness(self.moving, self.glass[1])

    @cached_property
    def tissue(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where both show tissue, 0 or 1: mean darkness of 5 × 5 px over 0.05 OD, no green ink.

        Without the margin of filters.
        """
        first, second = (
            self._tissue(grey, rgb)
            for grey, rgb in zip(self.greys, (self.fixed, self.moving), strict=True)
        )
        return first, second

    def _tissue(self, grey: NDArray[np.int64], rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
        side, inner = 2 * _TISSUE_REACH + 1, self.layout.reach * self.layout.cell
        dark = box_sum(grey, _TISSUE_REACH) > _TISSUE_OD * side**2
        cut, off = self.layout.around(_TISSUE_REACH), slice(inner, -inner)
        found = dark[cut:-cut, cut:-cut] & ~green_ink(rgb[off, off])
        return found.astype(np.int64)


@dataclass(frozen=True)
class Heatmap:
    """A map: what it shows, and how it is made from a view.

    Attributes
    ----------
    info, make
        What it shows, and its values.
    gated
        Whether it means something where the slides are comparable only.
    key
        Hash of what its values depend on besides the view, such as a network.
    """

    info: MapInfo
    make: Callable[[PairView], Values]
    gated: bool = False
    key: str = ""
