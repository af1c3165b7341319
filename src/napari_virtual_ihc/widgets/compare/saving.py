"""What was measured, as files; reads slides for the picture, so never in the window; no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.comparison.report import facts
from napari_virtual_ihc.comparison.report_files import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.widgets.compare.measuring import Answer
    from napari_virtual_ihc.widgets.work import Progress


def write_answer(answer: Answer, folder: Path, plots: bytes, progress: Progress) -> tuple[str, ...]:
    """Write numbers, pictures and the report of a region; return the names of the files.

    Parameters
    ----------
    plots
        The page's plots as a PNG; none where empty.

    Raises
    ------
    Cancelled
        If it is no longer wanted.
    ExportError
        If the folder holds something or cannot be written.
    """
    picture = answer.measurer.picture(answer.region, progress)
    told = facts(answer.tally, answer.found, answer.about)
    more = {"plots.png": plots} if plots else {}
    return write_report(folder, told, answer.found, picture, more)
