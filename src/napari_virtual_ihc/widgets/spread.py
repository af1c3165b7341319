"""The spread over seeds as a layer: where another draw of the noise would stain otherwise."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.widgets.layers import HeatInfo
from napari_virtual_ihc.widgets.services import MODELS
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.translation.spread import Spread
    from napari_virtual_ihc.widgets.translate_control import Shown, Translation

OFF = "off"
_OVERVIEW_PX = 256


class SpreadLayer(QObject):
    """Keeps a map of the spread over the virtual layer, where the model is a diffusion.

    Parameters
    ----------
    translation
        Whose virtual layer it judges; its state says over how many seeds.
    """

    def __init__(self, translation: Translation) -> None:
        super().__init__()
        self._translation = translation
        self._session = translation.session
        self._state = translation.state
        self._layer: Image | None = None
        self._work: Work[Spread] | None = None
        translation.shown_changed.connect(self._restart)
        self._session.layer_removed.connect(self._on_layer_removed)
        self._state.events.live.connect(self._on_live)

    def set_seeds(self, seeds: str) -> None:
        """Show the spread over so many seeds, or ``off``."""
        self._state.spread = seeds
        self._restart()

    def close(self) -> None:
        """Ask for nothing any more."""
        self._state.events.live.disconnect(self._on_live)
        if self._work is not None:
            self._work.cancel()
            self._work = None

    def _restart(self) -> None:
        self._remove()
        shown = self._translation.shown
        if self._state.spread == OFF or shown is None or shown.prepared.spread is None:
            return
        count, cache = int(self._state.spread), self._session.services.cache
        make = shown.prepared.spread
        self._work = Work(lambda _progress: make(count, cache), "prepares a spread")
        self._work.finished.connect(partial(self._on_made, shown))
        self._work.failed.connect(self._session.problem)
        self._work.start()

    def _remove(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None
        if self._layer is not None:
            layer, self._layer = self._layer, None
            self._session.viewer.layers.remove(layer)

    def _on_made(self, shown: Shown, spread: Spread) -> None:
        if self._translation.shown is not shown:
            return
        services = self._session.services
        pyramid = TilePyramid(
            spread, services.service(MODELS), services.cache, overview_px=_OVERVIEW_PX
        )
        pyramid.held = not self._state.live
        slide = shown.wish.slide.fingerprint
        info = HeatInfo(spread.scale, slide, shown.prepared.provenance)
        name = f"{spread.label} · {shown.prepared.card.name}"
        self._layer = self._session.add_heat(shown.wish.entry, pyramid, info, name)

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
            self._state.spread = OFF
