"""What can be compared in a window: the registered slides, and the virtual layer over the H&E."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.comparison.gate import SlidePair, layout_for
from napari_virtual_ihc.tiles.awaited import AwaitedTiles
from napari_virtual_ihc.tiles.produced_slide import produced_slide
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.widgets.layers import VirtualInfo, virtual_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.pyramid import TilePyramid
    from napari_virtual_ihc.tiles.service import TileService
    from napari_virtual_ihc.widgets.aligned import Aligned
    from napari_virtual_ihc.widgets.session import Session


@dataclass(frozen=True)
class VirtualSide:
    """The virtual IHC of the H&E.

    Attributes
    ----------
    pyramid, service, cache
        What its layer shows, who asks for tiles, where they are kept.
    info
        What its layer says of itself.
    """

    pyramid: TilePyramid
    service: TileService
    cache: TileCache
    info: VirtualInfo

    def tiles(self, cancelled: Callable[[], bool] = never) -> AwaitedTiles:
        """Return its tiles for one thread, which waits for them."""
        return AwaitedTiles(self.pyramid.producer, self.service, self.cache, cancelled)


@dataclass(frozen=True)
class Sides:
    """The H&E and the real IHC laid onto it; and the virtual IHC, where there is one.

    Methods read slides: not for the window's thread.
    """

    aligned: Aligned
    he: Slide
    virtual: VirtualSide | None

    @property
    def real(self) -> Slide:
        """The real IHC on the grid of the H&E."""
        return self.aligned.warped

    def he_pair(self) -> SlidePair:
        """Return H&E and real IHC, as maps compare them."""
        return SlidePair(self.he, self.real, "he", layout_for(self.he, self.real))

    def virtual_pair(self, tiles: AwaitedTiles) -> SlidePair:
        """Return virtual and real IHC; ``tiles`` are those of the virtual side."""
        virtual = produced_slide(tiles, self.he.background)
        layout = layout_for(virtual, self.real)
        return SlidePair(virtual, self.real, "ihc", layout, self.he)


class SidesWatch(QObject):
    """Knows what can be compared now, and tells when that is something else than before.

    Parameters
    ----------
    session
        The window.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.sides: Sides | None = _sides_of(session)
        session.aligned_changed.connect(self._look)
        session.tiles_changed.connect(self._look)
        session.layer_removed.connect(self._look)

    def _look(self, _layer: object = None) -> None:
        sides = _sides_of(self._session)
        if sides != self.sides:
            self.sides = sides
            self.changed.emit()


def _sides_of(session: Session) -> Sides | None:
    aligned = session.aligned
    if aligned is None:
        return None
    return Sides(aligned, aligned.fixed.slide, _virtual_of(session, aligned))


def _virtual_of(session: Session, aligned: Aligned) -> VirtualSide | None:
    """Return the newest virtual layer of the H&E whose tiles are still made."""
    for adapter in reversed(session.adapters()):
        layer = adapter.layer()
        info = None if layer is None else virtual_of(layer)
        if info is not None and info.slide == aligned.registration.fixed.fingerprint:
            return VirtualSide(adapter.pyramid, adapter.service, session.services.cache, info)
    return None
