"""A review that was read, brought into a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.widgets.layers import PATH, slide_layer
from napari_virtual_ihc.widgets.review.bookmarks import go_to
from napari_virtual_ihc.widgets.review.regions import show_regions
from napari_virtual_ihc.widgets.review.restoring import Restoring

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.comparison.review_layout import ReviewLayout
    from napari_virtual_ihc.comparison.review_session import ReviewSession
    from napari_virtual_ihc.widgets.review.file import Read, ReadSlide
    from napari_virtual_ihc.widgets.review.model import ReviewState
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry


class Opening(QObject):
    """Opens slides, lays and translates them as they were, and shows all that was kept.

    What the window has already stays: views, regions and reads of a review are added to it.

    Parameters
    ----------
    session
        The window.
    state
        Of the page; its ``views`` and ``reads`` are written here.
    """

    ended = Signal(object)
    """Layers (a tuple of their names) that could not be shown again."""

    def __init__(self, session: Session, state: ReviewState) -> None:
        super().__init__()
        self._session, self._state = session, state
        self._restoring: Restoring | None = None

    def show(self, read: Read) -> None:
        """Bring a review into the window; what is made on other threads comes later."""
        self.stop()
        review, layout = read.review, read.review.layout
        entries = {one.slide.fingerprint: self._entry(one) for one in read.slides}
        self._session.choose(entries[review.chosen])
        self._ask_pages(review, entries, read.path)
        show_regions(self._session.viewer, review.regions)
        self._keep(review)
        if layout is not None:
            self._restore(layout)
        if review.view is not None:
            go_to(self._session.viewer, review.view)
        if layout is None:
            self.ended.emit(())

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._restoring is not None:
            self._restoring.stop()
            self._restoring = None

    def _ask_pages(self, review: ReviewSession, entries: dict[str, SlideEntry], path: Path) -> None:
        """Ask for the registration, the virtual stain and the map; their pages see to them."""
        session, laid = self._session, review.registration
        if laid is not None and laid.folder is not None:
            session.lay_requested.emit(path.parent / laid.folder, entries[laid.moving])
        if review.model:
            session.translation_requested.emit({"model": review.model, **review.settings})
        for layer in () if review.layout is None else review.layout.layers():
            if layer.between:
                session.map_requested.emit(layer.name, layer.between)

    def _entry(self, read: ReadSlide) -> SlideEntry:
        """Return the window's entry of a slide, which is opened where there is none."""
        from napari.layers import Image

        for entry in self._session.slides():
            if entry.slide is read.slide:
                return entry
        data, arguments, _ = slide_layer(read.slide)
        if read.path is not None:
            arguments["metadata"][PATH] = str(read.path)
        first = not self._session.slides()
        self._session.viewer.add_layer(Image(data, **arguments, visible=first))
        return self._session.slides()[-1]

    def _keep(self, review: ReviewSession) -> None:
        """Add views and reads to those of the window."""
        views, reads = review.views, review.reads
        with self._state.events.paused():
            self._state.views = (*views, *(v for v in self._state.views if v not in views))
            self._state.reads = (*reads, *(r for r in self._state.reads if r not in reads))
            self._state.current = -1

    def _restore(self, layout: ReviewLayout) -> None:
        self._restoring = Restoring(self._session, layout)
        self._restoring.ended.connect(self.ended)
        self._restoring.start()
