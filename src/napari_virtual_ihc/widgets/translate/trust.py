"""The map of trust as a layer: where the virtual stain should not be relied on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.widgets.layers import HeatInfo
from napari_virtual_ihc.widgets.services import MAPS, MODELS
from napari_virtual_ihc.widgets.tile_layers import add_heat
from napari_virtual_ihc.widgets.translate.trust_model import OFF, UNFAMILIAR, choices
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Image

    from napari_virtual_ihc.widgets.translate.control import Translation
    from napari_virtual_ihc.widgets.translate.shown import Shown
    from napari_virtual_ihc.widgets.translate.trust_making import TrustMap

_OVERVIEW_PX, _OPACITY = 256, 0.6
_BUSY = "trust"
_DESCEND = {MODELS: 2, MAPS: 4}
"""How far out a view still has tiles made: cells of the H&E alone cost next to nothing."""


class TrustLayer(QObject):
    """Keeps a map of trust over the virtual layer.

    Parameters
    ----------
    translation
        Whose virtual layer it judges; its state says by which map.
    others
        Returns the models that a model can be compared with, by name.
    """

    def __init__(self, translation: Translation, others: Callable[[str], Sequence[str]]) -> None:
        super().__init__()
        self._translation, self._others = translation, others
        self._session = translation.session
        self._state = translation.state
        self._layer: Image | None = None
        self._work: Work[TrustMap] | None = None
        translation.shown_changed.connect(self._restart)
        self._session.layer_removed.connect(self._on_layer_removed)
        self._state.events.live.connect(self._on_live)

    def choose(self, choice: str) -> None:
        """Show this map, or ``off``."""
        self._state.trust = choice
        self._restart()

    def cancel(self) -> None:
        """Stop preparing a map, if one is being prepared."""
        if self._work is not None:
            self.choose(OFF)

    def close(self) -> None:
        """Ask for nothing any more."""
        self._state.events.live.disconnect(self._on_live)
        self._stop()

    def _restart(self) -> None:
        self._remove()
        shown = self._translation.shown
        self._offer(shown)
        choice, cache = self._state.trust, self._session.services.cache
        if choice == OFF or shown is None or shown.prepared.trust is None:
            return
        make = shown.prepared.trust
        self._work = Work(lambda _progress: make(choice, cache), "prepares a map of trust")
        self._work.finished.connect(partial(self._on_made, shown))
        self._work.failed.connect(self._on_failed)
        self._session.busy.add(_BUSY)
        self._translation.show_activity("Preparing the map of trust", 0, 0)
        self._work.start()

    def _offer(self, shown: Shown | None) -> None:
        """Offer the maps there are of what is shown; what there is not is off."""
        offered: tuple[str, ...] = (OFF,)
        if shown is not None and shown.prepared.trust is not None:
            stepwise = shown.prepared.card.kind == "diffusion"
            offered = choices(stepwise, self._others(shown.wish.model))
        with self._state.events.paused():
            self._state.trusts = offered
            if shown is not None and self._state.trust not in offered:
                self._state.trust = OFF

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self._state.trust = OFF
        self._session.problem.emit(sentence)

    def _stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._end()

    def _end(self) -> None:
        self._work = None
        self._session.busy.discard(_BUSY)
        self._translation.show_activity("", 0, 0)

    def _remove(self) -> None:
        self._stop()
        if self._layer is not None:
            layer, self._layer = self._layer, None
            self._session.viewer.layers.remove(layer)

    def _on_made(self, shown: Shown, made: TrustMap) -> None:
        self._end()
        if self._translation.shown is not shown:
            return
        services = self._session.services
        kind = MAPS if self._state.trust == UNFAMILIAR else MODELS
        pyramid = TilePyramid(
            made, services.service(kind), services.cache,
            descend=_DESCEND[kind], overview_px=_OVERVIEW_PX,
        )  # fmt: skip
        pyramid.held = not self._state.live
        slide = shown.wish.slide.fingerprint
        info = HeatInfo(made.scale, slide, shown.prepared.provenance)
        name = f"{made.label} · {shown.prepared.card.name}"
        self._layer = add_heat(self._session, pyramid, info, name, kind)
        self._layer.opacity, self._layer.interpolation2d = _OPACITY, "nearest"

    def _on_live(self, on: bool) -> None:
        adapter = None if self._layer is None else self._session.adapter_of(self._layer)
        if adapter is not None and self._layer is not None:
            adapter.pyramid.held = not on
            if on:
                self._layer.refresh(extent=False, thumbnail=False, highlight=False)
            else:
                adapter.pyramid.rest()

    def _on_layer_removed(self, layer: object) -> None:
        if layer is self._layer:
            self._layer = None
            self._state.trust = OFF
