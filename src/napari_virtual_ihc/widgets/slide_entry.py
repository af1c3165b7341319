"""One slide of a window: its layer, its facts, and the work that reads them."""

from __future__ import annotations

import weakref
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.widgets.layers import SLIDE, WARPED, placing
from napari_virtual_ihc.widgets.scale_model import KnownScale
from napari_virtual_ihc.widgets.slide_facts import SlideFacts, read_facts
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Image

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.service import TileService


class SlideEntry(QObject):
    """A slide as the window knows it.

    Parameters
    ----------
    layer
        The layer that shows it, held weakly.
    slide
        What to read.
    """

    read = Signal(object)
    """The entry, once its facts are known."""
    refused = Signal(object, str)
    """The entry and one sentence, where it cannot be read."""

    def __init__(self, layer: Image, slide: Slide) -> None:
        super().__init__()
        self.layer = weakref.ref(layer)
        self.slide = self._opened = slide
        self.facts: SlideFacts | None = None
        self._work: Work[SlideFacts] | None = None

    @property
    def name(self) -> str:
        """Name of the layer, or of the slide once the layer is gone."""
        layer = self.layer()
        return self.slide.name if layer is None else str(layer.name)

    @property
    def registered(self) -> bool:
        """Whether this is a slide as it lies on another one, made here and no file."""
        layer = self.layer()
        return layer is not None and WARPED in layer.metadata

    @property
    def scale(self) -> KnownScale:
        """What is known of its scale."""
        return KnownScale(self.name, self.slide.mpp, typed=self.slide.mpp != self._opened.mpp)

    def start(self) -> None:
        """Read the facts on a thread of their own."""
        self.close()
        self._work = Work(partial(_facts, self.slide), "reads a slide")
        self._work.finished.connect(self._on_read)
        self._work.failed.connect(self._on_failed)
        self._work.start()

    def close(self) -> None:
        """Want nothing any more."""
        if self._work is not None:
            self._work.cancel()

    def pyramid(self, service: TileService, cache: TileCache) -> TilePyramid | None:
        """Return the tiles of the slide itself, or None until its facts are read."""
        if self.facts is None:
            return None
        return TilePyramid(self.facts.producer, service, cache, self.facts.overview)

    def set_scale(self, mpp: float) -> None:
        """Take ``mpp`` µm/px for the slide and place its layer accordingly; facts are read anew."""
        layer = self.layer()
        if layer is not None:
            for name, value in placing(mpp).items():
                setattr(layer, name, value)
        self.take(self._opened.with_mpp(mpp))

    def take(self, slide: Slide) -> None:
        """Show another slide of the same shape in the layer, once its facts are read."""
        self.slide = slide
        layer = self.layer()
        if layer is not None:
            layer.metadata = {**layer.metadata, SLIDE: slide}
        self.start()

    def _on_read(self, facts: SlideFacts) -> None:
        self.facts = facts
        self.read.emit(self)

    def _on_failed(self, sentence: str) -> None:
        self.refused.emit(self, sentence)


def named_apart(slide: Slide, layer: Image, others: Iterable[SlideEntry]) -> Slide:
    """Return a slide under its layer's name where another one is open that is called the same.

    napari numbers layers of one name, so that messages can tell the slides apart.
    """
    if all(other.slide.name != slide.name for other in others):
        return slide
    named = replace(slide, name=str(layer.name))
    layer.metadata = {**layer.metadata, SLIDE: named}
    return named


def _facts(slide: Slide, _progress: object) -> SlideFacts:
    return read_facts(slide)
