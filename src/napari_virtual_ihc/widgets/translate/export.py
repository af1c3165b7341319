"""Export of a whole virtual slide from the window: a file is chosen, the rest runs elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_virtual_ihc.widgets.work import Work

if TYPE_CHECKING:
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.translation.report import TranslationReport
    from napari_virtual_ihc.widgets.translate.control import Translation
    from napari_virtual_ihc.widgets.translate.shown import Wish
    from napari_virtual_ihc.widgets.work import Progress

_FILTER = "OME-Zarr (*.ome.zarr);;OME-TIFF (*.ome.tiff)"
_ENDINGS = (".zarr", ".ome.tif", ".ome.tiff")


class Export(QObject):
    """Writes what is translated now to a file, with progress and cancel on the page.

    Parameters
    ----------
    translation
        Says which slide and model, and shows the progress.
    library
        Where the model comes from.
    """

    def __init__(self, translation: Translation, library: Library) -> None:
        super().__init__()
        self._translation = translation
        self._library = library
        self._work: Work[TranslationReport] | None = None

    def ask(self) -> None:
        """Ask for a file, then write it."""
        chosen, kind = QFileDialog.getSaveFileName(None, "Export the virtual slide", "", _FILTER)
        if chosen:
            self.start(with_ending(chosen, kind))

    def start(self, out: Path) -> None:
        """Write the slide that is translated now to ``out``, unless an export runs already."""
        wish = self._translation.wish()
        if wish is None or (self._work is not None and self._work.running()):
            return
        self._translation.session.busy.add("export")
        self._work = Work(partial(_export, wish, self._library, out), "exports a slide")
        self._work.progressed.connect(self._translation.show_activity)
        self._work.finished.connect(partial(self._on_finished, out))
        self._work.failed.connect(self._on_failed)
        self._work.start()

    def cancel(self) -> None:
        """Stop at the next tile; begun again it goes on where it was."""
        if self._work is not None:
            self._work.cancel()
            self._end()

    def _end(self) -> None:
        self._work = None
        self._translation.session.busy.discard("export")
        self._translation.show_activity("", 0, 0)

    def _on_finished(self, out: Path, report: TranslationReport) -> None:
        self._end()
        failed = f", {report.failed_tiles} of them failed" if report.failed_tiles else ""
        self._translation.state.notice = f"Written: {out.name}, {report.tiles} tiles{failed}."

    def _on_failed(self, sentence: str) -> None:
        self._end()
        self._translation.state.error = sentence


def with_ending(chosen: str, kind: str) -> Path:
    """Return the chosen path, with the ending of the chosen kind where it has none of ours."""
    if chosen.endswith(_ENDINGS):
        return Path(chosen)
    return Path(chosen + (".ome.tiff" if "TIFF" in kind else ".ome.zarr"))


def _export(wish: Wish, library: Library, out: Path, progress: Progress) -> TranslationReport:
    from napari_virtual_ihc.translation.export import Options, translate_slide

    model = library.get(wish.model)
    return translate_slide(
        wish.slide,
        model,
        out,
        Options(
            device=wish.choices.device,
            backend=wish.choices.backend,
            precision=wish.choices.precision,
            statistics=wish.choices.statistics,
            sampling=wish.choices.sampling,
        ),
        progress=partial(progress, "Exporting"),
        calibrating=partial(progress, "Reading the slide's statistics"),
        cancelled=progress.cancelled,
    )
