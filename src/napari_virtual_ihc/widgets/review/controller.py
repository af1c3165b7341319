"""The Review page put together: views, regions, blind reads, and the review as a file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_virtual_ihc.comparison.blind_read import write_csv
from napari_virtual_ihc.comparison.geojson import read_geojson, write_geojson
from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.widgets.layers import slide_layer
from napari_virtual_ihc.widgets.review import file as review_file
from napari_virtual_ihc.widgets.review.blind_read import BlindReading
from napari_virtual_ihc.widgets.review.bookmarks import go_to, present_view, step, with_note
from napari_virtual_ihc.widgets.review.model import NO_SLIDE, ReviewState, skipped_line
from napari_virtual_ihc.widgets.review.page import ReviewPage
from napari_virtual_ihc.widgets.review.regions import regions_in, show_regions
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.comparison.review_session import ReviewSession
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.session import Session
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry

    Read = tuple[ReviewSession, list[Slide]]

_REVIEW, _GEOJSON, _CSV = "Review (*.json)", "GeoJSON (*.geojson *.json)", "CSV (*.csv)"


class ReviewController(QObject):
    """Keeps what a reviewer does in one window.

    Parameters
    ----------
    session
        The window.
    """

    title = "Review"

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.state = ReviewState()
        self.view = ReviewPage(self.state)
        self.reading = BlindReading(session, self.state)
        self._work: Work[Read] | Work[Path] | None = None
        self._connect()

    def keep(self, note: str = "") -> None:
        """Keep the present view, to come back to."""
        chosen = self.session.chosen
        if chosen is None or chosen.facts is None:
            self.state.error = NO_SLIDE
            return
        view = present_view(self.session.viewer, chosen.slide.fingerprint, note)
        with self.state.events.paused():
            self.state.views = (*self.state.views, view)
            self.state.current = len(self.state.views) - 1

    def go(self, index: int) -> None:
        """Look at a view again."""
        if 0 <= index < len(self.state.views):
            self.state.current = index
            go_to(self.session.viewer, self.state.views[index])

    def remove(self) -> None:
        """Keep the current view no more."""
        views = list(self.state.views)
        del views[self.state.current]
        with self.state.events.paused():
            self.state.views = tuple(views)
            self.state.current = min(self.state.current, len(views) - 1)

    def import_regions(self, path: Path) -> None:
        """Show the regions of a GeoJSON file."""
        with_scale = self._mpp()
        if with_scale is not None:
            found = read_geojson(path, with_scale)
            show_regions(self.session.viewer, found.regions)
            self.reading.offer()
            words = f"{len(found.regions)} regions read.{skipped_line(found.skipped)}"
            self.state.notice = words

    def export_regions(self, path: Path) -> None:
        """Write all regions as GeoJSON."""
        with_scale = self._mpp()
        if with_scale is not None:
            regions = regions_in(self.session.viewer)
            write_geojson(path, regions, with_scale)
            self.state.notice = f"{len(regions)} regions written: {path.name}"

    def export_reads(self, path: Path) -> None:
        """Write the blind reads as CSV."""
        write_csv(path, self.state.reads)
        self.state.notice = f"{len(self.state.reads)} reads written: {path.name}"

    def save(self, path: Path) -> None:
        """Write the review; the registration goes into a folder beside it."""
        places = self.view.places.isChecked()
        review = review_file.gather(self.session, self.state, path, with_places=places)
        aligned = self.session.aligned
        registration = None if aligned is None else aligned.registration
        work = Work(partial(review_file.write, review, registration, path), "writes a review")
        work.finished.connect(self._on_saved)
        self._start(work, "Saving the review…")

    def open(self, path: Path) -> None:
        """Open a review: its slides where they are not open yet, and all that was kept."""
        known = [entry.slide for entry in self.session.slides()]
        work = Work(partial(review_file.read, path, known), "reads a review")
        work.finished.connect(partial(self._on_read, path))
        self._start(work, "Opening the review…")

    def close(self) -> None:
        """Stop; a stain that is hidden is shown again."""
        self.view.forget_state()
        self.reading.reveal(0, "")
        if self._work is not None:
            self._work.cancel()

    def _connect(self) -> None:
        page, reading = self.view, self.reading
        self.session.bookmark_requested.connect(self._on_bookmark)
        page.view_chosen.connect(self.go)
        page.note_typed.connect(self._on_note)
        page.keep.clicked.connect(lambda _on=False: self.keep(page.note.text()))
        page.remove.clicked.connect(lambda _on=False: self.remove())
        page.begin.clicked.connect(lambda _on=False: reading.begin())
        page.region.activated.connect(reading.go_to)
        page.record.clicked.connect(lambda _on=False: self._on_record())
        page.reveal.clicked.connect(lambda _on=False: self._on_reveal())
        page.save.clicked.connect(lambda _on=False: self._ask_save(self.save, "review", _REVIEW))
        page.open.clicked.connect(lambda _on=False: self._ask_open(self.open, _REVIEW))
        page.bring.clicked.connect(lambda _on=False: self._ask_open(self.import_regions, _GEOJSON))
        page.give.clicked.connect(
            lambda _on=False: self._ask_save(self.export_regions, "regions", _GEOJSON)
        )
        page.table.clicked.connect(
            lambda _on=False: self._ask_save(self.export_reads, "reads", _CSV)
        )
        self.session.viewer.layers.selection.events.active.connect(self._on_layers_changed)

    def attempt(self, action: Callable[[Path], None], path: Path) -> None:
        """Do something with a file; what fails is told on the page."""
        self.state.error = self.state.notice = ""
        try:
            action(path)
        except VirtualIhcError as error:
            self.state.error = str(error)

    def _ask_save(self, action: Callable[[Path], None], what: str, kinds: str) -> None:
        suffix = "." + kinds.split("*.")[1].split()[0].rstrip(")")
        chosen, _ = QFileDialog.getSaveFileName(self.view, f"Save {what}", what + suffix, kinds)
        if chosen:
            path = Path(chosen)
            self.attempt(action, path if path.suffix else path.with_suffix(suffix))

    def _ask_open(self, action: Callable[[Path], None], kinds: str) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self.view, "Open", "", kinds)
        if chosen:
            self.attempt(action, Path(chosen))

    def _start(self, work: Work[Read] | Work[Path], words: str) -> None:
        self.state.activity = words
        self.session.busy.add("review")
        work.failed.connect(self._on_failed)
        self._work = work
        work.start()

    def _end(self) -> None:
        self.session.busy.discard("review")
        self.state.activity = ""

    def _mpp(self) -> float | None:
        """Return the scale of the H&E, 1 where it has none; None, and say so, without a slide."""
        chosen = self.session.chosen
        self.state.error = NO_SLIDE if chosen is None else ""
        return None if chosen is None else chosen.slide.mpp or 1.0

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self.state.error = sentence

    def _on_saved(self, path: Path) -> None:
        self._end()
        self.state.notice = f"Written: {path.name}"

    def _on_read(self, path: Path, found: Read) -> None:
        self._end()
        review, slides = found
        entries = [self._shown(slide) for slide in slides]
        by_print = {
            one.fingerprint: entry for one, entry in zip(review.slides, entries, strict=True)
        }
        self.session.choose(by_print[review.chosen])
        if review.registration is not None and review.registration.folder is not None:
            folder = path.parent / review.registration.folder
            self.session.lay_requested.emit(folder, by_print[review.registration.moving])
        self.session.translation_requested.emit({"model": review.model, **review.settings})
        show_regions(self.session.viewer, review.regions)
        with self.state.events.paused():
            self.state.views, self.state.reads = review.views, review.reads
            self.state.current = -1
            self.state.notice = f"Opened: {path.name}"
        self.reading.offer()
        if review.view is not None:
            go_to(self.session.viewer, review.view)

    def _shown(self, slide: Slide) -> SlideEntry:
        """Return the window's entry of a slide, which is opened where there is none."""
        from napari.layers import Image

        for entry in self.session.slides():
            if entry.slide is slide:
                return entry
        data, arguments, _ = slide_layer(slide)
        first = not self.session.slides()
        self.session.viewer.add_layer(Image(data, **arguments, visible=first))
        return self.session.slides()[-1]

    def _on_bookmark(self, by: int) -> None:
        if by:
            self.go(step(len(self.state.views), self.state.current, by))
        else:
            self.keep()

    def _on_note(self, note: str) -> None:
        views, current = list(self.state.views), self.state.current
        if 0 <= current < len(views) and views[current].note != note:
            views[current] = with_note(views[current], note)
            self.state.views = tuple(views)

    def _on_record(self) -> None:
        page = self.view
        words = page.score.text(), page.reading_note.text(), page.reader.text()
        self.reading.record(page.region.currentIndex(), *words)
        page.score.clear()
        page.reading_note.clear()

    def _on_reveal(self) -> None:
        self.reading.reveal(self.view.region.currentIndex(), self.view.reader.text())

    def _on_layers_changed(self, _event: object = None) -> None:
        self.reading.offer()
