"""One map of comparison as a layer: made where it is looked at, gone with its registration."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject

from napari_virtual_ihc.comparison.patch_encoder import FEATURES
from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.widgets.compare.map_making import make_map
from napari_virtual_ihc.widgets.compare.map_model import BETWEEN, HE, OFF, between_of, obstacle
from napari_virtual_ihc.widgets.services import MAPS
from napari_virtual_ihc.widgets.tile_layers import add_heat
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from napari.components import LayerList

    from napari_virtual_ihc.widgets.compare.map_making import MadeMap
    from napari_virtual_ihc.widgets.compare.map_model import MapState
    from napari_virtual_ihc.widgets.compare.sides import Sides, SidesWatch
    from napari_virtual_ihc.widgets.session import Session

_OVERVIEW_PX = 256
_DESCEND = {HE: 4, "virtual": 1}
"""How far out a view still has cells made: those of virtual pixels cost the model its time."""
_OPACITY = 0.6


class MapLayer(QObject):
    """Keeps the map that a :class:`MapState` names above the slides it compares.

    Parameters
    ----------
    session, watch
        The window, and what can be compared in it.
    state
        Which map; its ``formula`` and ``waiting`` are written here only.
    """

    def __init__(self, session: Session, watch: SidesWatch, state: MapState) -> None:
        super().__init__()
        self._session, self._watch, self._state = session, watch, state
        self._layer: Image | None = None
        self._shown: Sides | None = None
        self._work: Work[MadeMap] | None = None
        watch.changed.connect(self._on_sides_changed)
        session.layer_removed.connect(self._on_layer_removed)
        session.map_requested.connect(self._on_requested)

    def choose(self, name: str) -> None:
        """Show the map of this name, or ``off``."""
        self._state.name = name
        self._restart()

    def choose_between(self, between: str) -> None:
        """Compare the real IHC with the ``he`` or the ``virtual`` slide."""
        self._state.between = between
        self._restart()

    def close(self) -> None:
        """Stop what is being prepared; the layer stays."""
        self._session.busy.discard("map")
        if self._work is not None:
            self._work.cancel()
            self._work = None

    def _on_requested(self, name: str, between: str) -> None:
        self._state.between = between
        self.choose(name)

    def _on_sides_changed(self) -> None:
        """Begin anew, unless only a virtual layer changed that the map does not show."""
        new, old = self._watch.sides, self._shown
        same = new is not None and old is not None and new.aligned is old.aligned
        if not same or between_of(self._state) != HE or self._state.name == FEATURES:
            self._restart()

    def _restart(self) -> None:
        self._remove()
        sides, state = self._watch.sides, self._state
        state.formula, state.waiting = "", obstacle(state, sides)
        if state.name == OFF or sides is None or state.waiting:
            return
        self._shown = sides
        self._session.busy.add("map")
        between = between_of(state)
        self._work = Work(partial(make_map, sides, state.name, between), "prepares a map")
        self._work.finished.connect(partial(self._on_made, sides, between))
        self._work.failed.connect(self._on_failed)
        self._work.start()

    def _remove(self) -> None:
        self.close()
        self._shown = None
        if self._layer is not None:
            layer, self._layer = self._layer, None
            self._session.viewer.layers.remove(layer)

    def _on_failed(self, sentence: str) -> None:
        self._session.busy.discard("map")
        self._state.waiting = sentence

    def _on_made(self, sides: Sides, between: str, made: MadeMap) -> None:
        self._session.busy.discard("map")
        services, descend = self._session.services, _DESCEND[between]
        pyramid = TilePyramid(
            made.producer,
            services.service(MAPS),
            services.cache,
            descend=descend,
            overview_px=_OVERVIEW_PX,
        )
        name = f"{made.info.scale.title} · {BETWEEN[between]}"
        layer = add_heat(self._session, pyramid, made.info, name, MAPS)
        _under_drawings(self._session.viewer.layers, layer)
        layer.opacity = _OPACITY
        layer.interpolation2d = "nearest"
        self._layer, self._state.formula = layer, made.told

    def _on_layer_removed(self, layer: object) -> None:
        if layer is self._layer:
            self._layer = None
            self.choose(OFF)


def _under_drawings(layers: LayerList, layer: Image) -> None:
    """Move a map above all pictures, so that points and outlines over them stay clear."""
    pictures = [one for one in layers if isinstance(one, Image) and one is not layer]
    layers.move(layers.index(layer), layers.index(pictures[-1]) + 1)
