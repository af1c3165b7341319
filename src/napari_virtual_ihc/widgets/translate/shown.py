"""What is translated now: the layer that shows it, and what a page does to that layer."""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_virtual_ihc.tiles.pyramid import TilePyramid
from napari_virtual_ihc.widgets.layers import VirtualInfo, virtual_of
from napari_virtual_ihc.widgets.services import MODELS
from napari_virtual_ihc.widgets.tile_layers import add_virtual
from napari_virtual_ihc.widgets.translate.model import caution

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.adapter import LayerAdapter
    from napari_virtual_ihc.widgets.camera import Box
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry
    from napari_virtual_ihc.widgets.translate.prepare import Choices, Prepared

_OVERVIEW_PX = 256
"""Virtual layers have a small coarsest level: napari shows a frozen copy of that one."""


@dataclass(frozen=True)
class Wish:
    """What the user wants translated: a slide, by a model, run in some way."""

    entry: SlideEntry
    slide: Slide
    model: str
    choices: Choices


@dataclass(frozen=True, eq=False)
class Shown:
    """A wish that was granted: by what, and in which layer."""

    wish: Wish
    prepared: Prepared
    layer: weakref.ref[Image]
    adapter: LayerAdapter

    @property
    def info(self) -> VirtualInfo:
        """What layers of these pixels say of themselves."""
        return _info(self.wish, self.prepared)

    def hold(self, held: bool) -> None:
        """Leave the layer at the tiles it has, or have those in view made again."""
        self.adapter.pyramid.held = held
        if held:
            self.adapter.pyramid.rest()
        else:
            self.refresh()

    def retry(self) -> None:
        """Try the failed tiles again."""
        self.adapter.pyramid.retry()
        self.refresh()

    def refresh(self) -> None:
        """Show the tiles there are, and ask for those missing in view."""
        layer = self.layer()
        if layer is not None:
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def failures(self) -> dict[str, int]:
        """Return how many tiles failed for each reason."""
        return dict(Counter(self.adapter.pyramid.failed.values()))

    def caution(self, view: Box) -> str:
        """Return what may be wrong with this slide and model, where ``view`` (µm) looks."""
        slide, facts = self.wish.slide, self.wish.entry.facts
        if facts is None:
            return ""
        pen = facts.pen_in(view)
        words = caution(slide.require_mpp(), self.prepared.card.mpp_in, facts.stain, pen)
        told = (*slide.notes, *self.prepared.notices)
        return words or next(reversed(told), "")

    def remove_former(self, session: Session) -> None:
        """Take away older live layers of the same slide, once this one has a tile."""
        for adapter in session.adapters() if self.adapter.has_tiles else ():
            layer = adapter.layer()
            info = None if layer is None else virtual_of(layer)
            if adapter is not self.adapter and info and info.slide == self.wish.slide.fingerprint:
                session.viewer.layers.remove(layer)


def show(session: Session, wish: Wish, prepared: Prepared) -> Shown:
    """Add a virtual layer right above its slide; its tiles come as they are looked at."""
    services, card = session.services, prepared.card
    pyramid = TilePyramid(
        prepared.producer, services.service(MODELS), services.cache, overview_px=_OVERVIEW_PX
    )
    name = f"{card.marker} virtual · {card.name}"
    layer = add_virtual(session, wish.entry, pyramid, _info(wish, prepared), name)
    adapter = session.adapter_of(layer)
    if adapter is None:
        raise RuntimeError(f"Layer {name!r} is not connected to its tiles.")
    return Shown(wish, prepared, weakref.ref(layer), adapter)


def _info(wish: Wish, prepared: Prepared) -> VirtualInfo:
    card = prepared.card
    return VirtualInfo(card.marker, card.name, wish.slide.fingerprint, prepared.provenance)
