"""Heatmaps as tiles: computed where they are looked at, like any other layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.comparability import COMPARABILITY, Verdict, comparability
from napari_virtual_ihc.comparison.comparability import coloured as coloured_verdicts
from napari_virtual_ihc.comparison.deformation import DEFORMATION_MAPS
from napari_virtual_ihc.comparison.evidence import (
    DAB_DIFFERENCE,
    FOCUS,
    TISSUE,
    tissue_presence,
    tissue_shares,
)
from napari_virtual_ihc.comparison.gate import map_shape
from napari_virtual_ihc.comparison.structure import (
    MUTUAL_INFORMATION,
    NCC,
    SSIM_STRUCTURE,
    TEXTURE,
)
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.heat import coloured
from napari_virtual_ihc.tiles.producer import TileByTile

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.comparison.gate import SlidePair
    from napari_virtual_ihc.comparison.views import Heatmap, MapInfo, PairView
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress

_ALGORITHM = "heatmap-tiles/5"
_TILE = 32
_LEAST_TISSUE = 0.05

HEATMAPS: dict[str, Heatmap] = {
    one.info.name: one
    for one in (NCC, MUTUAL_INFORMATION, SSIM_STRUCTURE, DAB_DIFFERENCE, TEXTURE, TISSUE, FOCUS)
}
MAP_NAMES = (COMPARABILITY.name, *HEATMAPS)
"""Maps that can be made of two slides alone."""
REGISTERED_MAP_NAMES = (*MAP_NAMES, *DEFORMATION_MAPS)
"""Maps that can be made of two slides of which the second was registered."""


class HeatmapProducer(TileByTile):
    """Tiles of one map of two slides, a pixel per cell; see `tiles.producer.TileProducer`.

    Reads both fingerprints, so create it off the GUI thread.

    Parameters
    ----------
    pair
        The slides, on one µm grid.
    chosen
        One of `REGISTERED_MAP_NAMES`, or a map that needs more than the slides.
    tile
        Cells a side of a tile.
    """

    persist = True

    def __init__(self, pair: SlidePair, chosen: str | Heatmap, tile: int = _TILE) -> None:
        self.pair = pair
        self._map = _map_of(chosen)
        layout = pair.layout
        self.grid = TileGrid(*map_shape(pair), tile, layout.cell_um)
        self.label = self.info.title
        self.key = hash_of(
            _ALGORITHM, self.info.name, pair.fixed.fingerprint, pair.moving.fingerprint,
            pair.fixed.require_mpp(), pair.moving.require_mpp(), pair.fixed_kind,
            [layout.mpp, layout.cell, layout.radius, layout.reach],
            None if pair.he is None else pair.he.fingerprint,
            *([self._map.key, tile] if self._map is not None and self._map.key else []),
        )  # fmt: skip

    @property
    def info(self) -> MapInfo:
        """What the map shows."""
        return COMPARABILITY if self._map is None else self._map.info

    def tile(self, address: TileAddress, cancelled: Callable[[], bool]) -> Pixels:
        """Return an RGBA tile, clear where no slide has tissue."""
        return self._coloured(self.pair.view(*self.grid.box(address.row, address.col)))

    def _coloured(self, view: PairView) -> Pixels:
        if self._map is None:
            return coloured_verdicts(comparability(view).verdicts)
        values = self._map.make(view)
        seen = np.maximum(*tissue_shares(view)) >= _LEAST_TISSUE
        if self._map.gated:
            seen &= comparability(view).verdicts == Verdict.COMPARABLE
        everywhere = self._map.make is tissue_presence
        return coloured(values, self.info, np.logical_or(seen, everywhere))


def _map_of(chosen: str | Heatmap) -> Heatmap | None:
    """Return the map, None for comparability."""
    if not isinstance(chosen, str):
        return chosen
    return None if chosen == COMPARABILITY.name else (HEATMAPS | DEFORMATION_MAPS)[chosen]
