"""From what can be compared to something that makes a map's tiles; never in the window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.deformation import LANDMARK_ERROR, landmark_map
from napari_virtual_ihc.comparison.patch_encoder import (
    FEATURES,
    encoder_layout,
    feature_similarity,
)
from napari_virtual_ihc.comparison.producer import HeatmapProducer
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.tiles.producer import TileByTile, TileFailure
from napari_virtual_ihc.widgets.compare.map_model import HE, NO_MODEL, NO_PAIRS, of_registration
from napari_virtual_ihc.widgets.layers import HeatInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.comparison.gate import SlidePair
    from napari_virtual_ihc.comparison.views import Heatmap
    from napari_virtual_ihc.comparison.windows import Layout
    from napari_virtual_ihc.tiles.awaited import AwaitedTiles
    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer
    from napari_virtual_ihc.widgets.compare.sides import Sides, VirtualSide

_FEATURE_TILE = 8
"""Cells a side of a tile: each costs a pass through half a network."""


@dataclass(frozen=True)
class MadeMap:
    """A map ready to be shown: its tiles, what its layer says of itself, and the page."""

    producer: TileProducer
    info: HeatInfo
    told: str


def make_map(sides: Sides, name: str, between: str, _progress: object) -> MadeMap:
    """Return the map ``name`` between the real IHC and ``he`` or ``virtual``; reads slides."""
    virtual = sides.virtual
    if between == HE or virtual is None:
        pair, tiles = sides.he_pair(), None
    else:
        tiles = virtual.tiles()
        pair = sides.virtual_pair(tiles)
    plain = _plain(pair, name, virtual)
    pair = plain.pair
    producer = plain if tiles is None else VirtualMap(plain, tiles)
    words = f"{plain.info.formula}; {_grain(name, pair.layout)}"
    compared = [pair.fixed.fingerprint, pair.moving.fingerprint]
    provenance = {"compared": compared, "between": between}
    scale = replace(plain.info, formula=words)
    told = f"{scale.title}{'' if scale.classes else f' ({scale.unit})'}: {words}"
    return MadeMap(producer, HeatInfo(scale, sides.he.fingerprint, provenance), told)


def _grain(name: str, layout: Layout) -> str:
    """Return how much tissue a value is of, in words."""
    if of_registration(name):
        return f"a value every {layout.cell_um:g} µm"
    return layout.window_words


def _plain(pair: SlidePair, name: str, virtual: VirtualSide | None) -> HeatmapProducer:
    if name == FEATURES:
        return _by_features(pair, virtual)
    return HeatmapProducer(pair, _by_landmarks(pair) if name == LANDMARK_ERROR.name else name)


def _by_landmarks(pair: SlidePair) -> Heatmap:
    """Return the errors of the pairs marked for the registration, each left out in turn."""
    found = pair.registration
    placement = None if found is None else found.placement
    if placement is None or not placement.marked.count:
        raise VirtualIhcError(NO_PAIRS)
    return landmark_map(placement.marked.whole().fixed, np.array(placement.errors()))


def _by_features(pair: SlidePair, virtual: VirtualSide | None) -> HeatmapProducer:
    """Return how alike the slides are to the encoder of the model that translates."""
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.translation.patch_encoder import GeneratorEncoder

    if virtual is None:
        raise VirtualIhcError(NO_MODEL)
    encoder = GeneratorEncoder(Library().get(virtual.info.model))
    seen = replace(pair, layout=encoder_layout(encoder))
    return HeatmapProducer(seen, feature_similarity(encoder), _FEATURE_TILE)


class VirtualMap(TileByTile):
    """A map's producer that waits for virtual tiles only while its own are wanted.

    Parameters
    ----------
    producer
        Makes the map.
    tiles
        The virtual tiles that it reads, of which it alone asks.
    """

    persist = True

    def __init__(self, producer: HeatmapProducer, tiles: AwaitedTiles) -> None:
        self._producer, self._tiles = producer, tiles
        self.grid: TileGrid = producer.grid
        self.key, self.label = producer.key, producer.label

    def tile(self, address: TileAddress, cancelled: Callable[[], bool]) -> Pixels | TileFailure:
        """Return the map's tile; a virtual tile that failed behind it is its failure."""
        self._tiles.cancelled = cancelled
        self._tiles.failed.clear()
        made = self._producer.tile(address, cancelled)
        reason = next(iter(self._tiles.failed.values()), None)
        return made if reason is None else TileFailure(f"A virtual tile failed here: {reason}")
