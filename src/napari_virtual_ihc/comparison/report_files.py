"""Everything of one comparison as files in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.drawing import png, svg
from napari_virtual_ihc.comparison.pdf import pdf
from napari_virtual_ihc.comparison.report import html
from napari_virtual_ihc.comparison.report_folder import whole, write_flushed
from napari_virtual_ihc.comparison.report_page import page, plotted
from napari_virtual_ihc.comparison.report_rows import share_words
from napari_virtual_ihc.comparison.table import agreement_csv, squares_csv
from napari_virtual_ihc.files import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.comparison.region_picture import RegionPicture

TITLE = "Virtual against real IHC. Research use only."
_PLOTS = ("scatter", "bland-altman", "agreement-by-size")


def write_report(
    folder: Path,
    told: Mapping[str, Any],
    found: Sequence[Paired],
    picture: RegionPicture | None,
    more: Mapping[str, bytes] | None = None,
) -> tuple[str, ...]:
    """Write numbers, plots, pictures and the report; return the names of the files.

    The folder is there when all of them are.

    Parameters
    ----------
    told, found
        What `report.facts` returned, and the agreement it was made of.
    picture
        Of the region; no ``region.png`` where None.
    more
        Other files by name.

    Raises
    ------
    ExportError
        If the folder holds something or cannot be written.
    """
    files = {
        "comparison.json": to_json(dict(told)),
        "agreement.csv": agreement_csv(found, f"{told['protocol']}; {share_words(told)}"),
        "squares.csv": squares_csv(found),
        "report.html": html(told, found, picture),
        "report.pdf": pdf(page(told, found, picture), TITLE),
    }
    for name, drawing in zip(_PLOTS, plotted(found), strict=False):
        files[f"{name}.svg"] = svg(drawing).encode()
    if picture is not None:
        files["region.png"] = png(picture.whole())
    files |= more or {}
    with whole(folder) as draft:
        for name, content in files.items():
            write_flushed(draft / name, content)
    return tuple(files)
