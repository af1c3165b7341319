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
from napari_virtual_ihc.widgets.areas import lies_outside, regions_in
from napari_virtual_ihc.widgets.review import file as review_file
from napari_virtual_ihc.widgets.review.blind_read import BlindReading
from napari_virtual_ihc.widgets.review.kept_views import KeptViews
from napari_virtual_ihc.widgets.review.model import (
    NO_SLIDE,
    STILL_READING,
    ReviewState,
    counted,
    opened_lines,
    read_line,
    skipped_line,
)
from napari_virtual_ihc.widgets.review.opening import Opening
from napari_virtual_ihc.widgets.review.page import ReviewPage
from napari_virtual_ihc.widgets.review.regions import show_regions
from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.comparison.review_layout import LayerName
    from napari_virtual_ihc.widgets.review.file import Read
    from napari_virtual_ihc.widgets.session import Session

_REVIEW, _GEOJSON, _CSV = "Review (*.json)", "GeoJSON (*.geojson *.json)", "CSV (*.csv)"
_BUSY = "review"


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
        self.kept = KeptViews(session, self.state)
        self.reading = BlindReading(session, self.state)
        self._opening = Opening(session, self.state)
        self._opened = ""
        self._work: Work[Read] | Work[Path] | None = None
        self._connect()

    def import_regions(self, path: Path) -> None:
        """Show the regions of a GeoJSON file."""
        mpp, chosen = self._mpp(), self.session.chosen
        if mpp is not None and chosen is not None:
            found = read_geojson(path, mpp)
            new = show_regions(self.session.viewer, found.regions)
            self.reading.offer()
            height, width = (side * mpp for side in chosen.slide.shape)
            outside = sum(lies_outside(one, (height, width)) for one in found.regions)
            told = read_line(new, len(found.regions) - new, outside)
            self.state.notice = told + skipped_line(found.skipped)

    def export_regions(self, path: Path) -> None:
        """Write all regions as GeoJSON."""
        mpp = self._mpp()
        if mpp is not None:
            regions = regions_in(self.session.viewer)
            write_geojson(path, regions, mpp)
            self.state.notice = f"{counted(len(regions), 'region')} written: {path.name}"

    def export_reads(self, path: Path) -> None:
        """Write the blind reads as CSV."""
        write_csv(path, self.state.reads)
        self.state.notice = f"{counted(len(self.state.reads), 'read')} written: {path.name}"

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
        work.finished.connect(self._on_read)
        self._start(work, "Opening the review…")

    def attempt(self, action: Callable[[Path], None], path: Path) -> None:
        """Do something with a file; what fails is told on the page."""
        self.state.error = self.state.notice = ""
        try:
            action(path)
        except VirtualIhcError as error:
            self.state.error = str(error)

    def close(self) -> None:
        """Stop; a stain that is hidden is shown again."""
        self.view.forget_state()
        self.reading.close()
        self._opening.stop()
        self.session.busy.discard(_BUSY)
        if self._work is not None:
            self._work.cancel()

    def _connect(self) -> None:
        kept, box = self.kept, self.view.kept
        self.session.bookmark_requested.connect(kept.on_bookmark)
        box.chosen.connect(kept.go)
        box.note_typed.connect(kept.set_note)
        box.keep_wanted.connect(kept.keep)
        box.remove_wanted.connect(kept.remove)
        reading, read_box = self.reading, self.view.reading
        read_box.begin_wanted.connect(reading.begin)
        read_box.region_chosen.connect(reading.go_to)
        read_box.scored.connect(self._on_scored)
        read_box.reveal_wanted.connect(reading.reveal)
        self._opening.ended.connect(self._on_opened)
        self.session.slides_changed.connect(self._on_slides_changed)
        self._connect_files()

    def _connect_files(self) -> None:
        page = self.view
        for button, ask, action, what, kinds in (
            (page.save, self._ask_save, self.save, "review", _REVIEW),
            (page.open, self._ask_open, self.open, "review", _REVIEW),
            (page.bring, self._ask_open, self.import_regions, "regions", _GEOJSON),
            (page.give, self._ask_save, self.export_regions, "regions", _GEOJSON),
            (page.reading.table, self._ask_save, self.export_reads, "reads", _CSV),
        ):
            button.clicked.connect(partial(ask, action, what, kinds))

    def _ask_save(
        self, action: Callable[[Path], None], what: str, kinds: str, _on: bool = False
    ) -> None:
        suffix = "." + kinds.split("*.")[1].split()[0].rstrip(")")
        chosen, _ = QFileDialog.getSaveFileName(self.view, f"Save {what}", what + suffix, kinds)
        if chosen:
            path = Path(chosen)
            self.attempt(action, path if path.suffix else path.with_suffix(suffix))

    def _ask_open(
        self, action: Callable[[Path], None], what: str, kinds: str, _on: bool = False
    ) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self.view, f"Open {what}", "", kinds)
        if chosen:
            self.attempt(action, Path(chosen))

    def _start(self, work: Work[Read] | Work[Path], words: str) -> None:
        self.state.activity = words
        self.session.busy.add(_BUSY)
        work.failed.connect(self._on_failed)
        self._work = work
        work.start()

    def _end(self) -> None:
        self.session.busy.discard(_BUSY)
        self.state.activity = ""

    def _mpp(self) -> float | None:
        """Return the scale of the H&E, 1 where it has none; None, and say so, without a slide."""
        chosen = self.session.chosen
        self.state.error = NO_SLIDE if chosen is None else ""
        return None if chosen is None else chosen.slide.mpp or 1.0

    def _on_scored(self, index: int, score: str, note: str, reader: str) -> None:
        if self.reading.record(index, score, note, reader):
            self.view.reading.clear_score()

    def _on_slides_changed(self) -> None:
        """Ask no more for a slide that is there."""
        chosen = self.session.chosen
        there = (NO_SLIDE,) if chosen is None or chosen.facts is None else (NO_SLIDE, STILL_READING)
        if chosen is not None and self.state.error in there:
            self.state.error = ""

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self.state.error = sentence

    def _on_saved(self, path: Path) -> None:
        self._end()
        self.state.notice = f"Written: {path.name}"

    def _on_read(self, read: Read) -> None:
        self._end()
        self._opened = read.path.name
        self._opening.show(read)
        self.reading.offer()

    def _on_opened(self, missing: tuple[LayerName, ...]) -> None:
        self.state.notice, self.state.error = opened_lines(self._opened, missing)
