"""Reading regions blind: hide, score each, reveal; every step is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
from qtpy.QtCore import QObject, QTimer

from napari_virtual_ihc.comparison.blind_read import BlindRead, now_utc
from napari_virtual_ihc.widgets.areas import region_box, regions_in
from napari_virtual_ihc.widgets.camera import Box, look_at, visible_box
from napari_virtual_ihc.widgets.layers import virtual_of
from napari_virtual_ihc.widgets.review.blind import Blind
from napari_virtual_ihc.widgets.review.bookmarks import present_view
from napari_virtual_ihc.widgets.review.model import (
    IN_VIEW,
    NO_SCORE,
    NO_SLIDE,
    NO_STAIN,
    OUT_OF_VIEW,
)
from napari_virtual_ihc.widgets.virtual import virtual_layers

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_virtual_ihc.comparison.geojson import ReviewRegion
    from napari_virtual_ihc.widgets.layers import VirtualInfo
    from napari_virtual_ihc.widgets.review.model import ReviewState
    from napari_virtual_ihc.widgets.session import Session

_SOON_MS = 100
UNSCORED = "revealed without a score"


class BlindReading(QObject):
    """Keeps the reads of a review.

    Parameters
    ----------
    session
        The window.
    state
        Of the page; its ``blind``, ``reads`` and ``regions`` are written here.
    """

    def __init__(self, session: Session, state: ReviewState) -> None:
        super().__init__()
        self._session, self._state = session, state
        self._blind = Blind(session)
        self._begun = ""
        self._of: VirtualInfo | None = None
        self._scored = False
        self._regions: tuple[ReviewRegion, ...] = ()
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self.offer)
        layers = session.viewer.layers
        layers.events.inserted.connect(self._on_inserted)
        layers.events.removed.connect(self._on_drawn)
        for layer in layers:
            self._watch(layer)

    def begin(self) -> None:
        """Hide the virtual stain; what is scored until it is revealed was scored blind."""
        layers = virtual_layers(self._session.viewer)
        self._state.error = "" if layers else NO_STAIN
        if not layers or self._state.blind:
            return
        self._of, self._begun, self._scored = virtual_of(layers[-1]), now_utc(), False
        self._blind.begin()
        self.offer()
        self._state.blind = True

    def go_to(self, index: int) -> None:
        """Look at the middle of a region."""
        region = self._region(index)
        if region is not None:
            top, left, bottom, right = region_box(region)
            look_at(self._session.viewer, (top + bottom) / 2, (left + right) / 2)

    def record(self, index: int, score: str, note: str, reader: str) -> bool:
        """Keep a score for a region while the stain is hidden; tell whether it was, or say why."""
        if not self._state.blind:
            return False
        self._state.error = self._obstacle(score)
        if self._state.error:
            return False
        self._scored = True
        self._keep(self._region(index), score.strip(), note, reader, now_utc())
        return True

    def reveal(self, index: int, reader: str) -> None:
        """Show the stain; that and when is kept with each read, and also if there was none."""
        if not self._state.blind:
            return
        if not self._scored:
            self._keep(self._region(index), "", UNSCORED, reader, "")
        when = now_utc()
        self._state.reads = tuple(
            read if read.revealed_utc else read.revealed(when) for read in self._state.reads
        )
        self._blind.end()
        self._state.blind = False

    def offer(self) -> None:
        """Name the regions there are now."""
        self._regions = regions_in(self._session.viewer)
        names = [region.name or region.identity[:8] for region in self._regions]
        self._state.regions = (IN_VIEW, *names)

    def close(self) -> None:
        """Show what is hidden, and offer nothing any more."""
        self._soon.stop()
        self.reveal(0, "")

    def _obstacle(self, score: str) -> str:
        """Return why a score cannot be kept now, or nothing."""
        chosen = self._session.chosen
        if chosen is None:
            return NO_SLIDE
        if not score.strip():
            return NO_SCORE
        height, width = (side * (chosen.slide.mpp or 1.0) for side in chosen.slide.shape)
        seen = visible_box(self._session.viewer).intersects(Box(0.0, 0.0, height, width))
        return "" if seen else OUT_OF_VIEW

    def _region(self, index: int) -> ReviewRegion | None:
        """Return a region as it was when it was offered."""
        return self._regions[index - 1] if 0 < index <= len(self._regions) else None

    def _watch(self, layer: Layer) -> None:
        if isinstance(layer, Shapes):
            layer.events.data.connect(self._on_drawn)
            self._soon.start()

    def _on_inserted(self, event: Any) -> None:
        self._watch(event.value)

    def _on_drawn(self, _event: object = None) -> None:
        self._soon.start()

    def _keep(
        self, region: ReviewRegion | None, score: str, note: str, reader: str, when: str
    ) -> None:
        chosen, of = self._session.chosen, self._of
        view = present_view(
            self._session.viewer, "" if chosen is None else chosen.slide.fingerprint
        )
        read = BlindRead(
            region=IN_VIEW if region is None else region.name or region.identity,
            classification="" if region is None else region.classification,
            view=view,
            score=score,
            note=note.strip(),
            model="" if of is None else of.model,
            marker="" if of is None else of.marker,
            reader=reader.strip(),
            begun_utc=self._begun,
            scored_utc=when,
        )
        self._state.reads = (*self._state.reads, read)
