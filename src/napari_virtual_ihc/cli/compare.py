"""``virtual-ihc compare``: how far a virtual IHC agrees with the real one."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit, progress, region_box, require_mpp

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.compared import Compared
    from napari_virtual_ihc.comparison.pairing import PairTally
    from napari_virtual_ihc.comparison.region_picture import RegionPicture
    from napari_virtual_ihc.comparison.scorer import Scorer
    from napari_virtual_ihc.comparison.squares import Box
    from napari_virtual_ihc.slides.slide import Slide

    Sized = tuple[Path, float | None]


def compare(
    virtual: Annotated[Path, typer.Argument(help="Virtual IHC.")],
    real: Annotated[Path, typer.Argument(help="Real IHC.")],
    out: Annotated[Path, typer.Option(help="Folder for CSV, JSON, pictures and the report.")],
    registration: Annotated[
        Path | None,
        typer.Option(help="Folder written by register; without it, slides are aligned."),
    ] = None,
    he: Annotated[
        Path | None,
        typer.Option(help="The H&E: what is comparable is judged by it, not by the virtual IHC."),
    ] = None,
    region: Annotated[str, typer.Option(help="Only squares inside y,x,h,w (µm).")] = "",
    cells: Annotated[str, typer.Option(help="auto, nuclei, membranes (HER2) or none.")] = "auto",
    vectors: Annotated[
        str, typer.Option(help="Stain vectors: published, or estimated on the real slide.")
    ] = "published",
    gate: Annotated[bool, typer.Option(help="Only comparable tissue.")] = True,
    marker: Annotated[
        str, typer.Option(help="What the IHC shows: for HER2, auto looks at membranes.")
    ] = "",
    mpp_virtual: Annotated[float | None, typer.Option(help="µm/px of the virtual slide.")] = None,
    mpp_real: Annotated[float | None, typer.Option(help="µm/px of the real slide.")] = None,
    mpp_he: Annotated[float | None, typer.Option(help="µm/px of the H&E.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Score both alike, square by square, and write how far they agree. Research use only."""
    from napari_virtual_ihc.comparison.agreement import agreements
    from napari_virtual_ihc.comparison.asking import scale_for, scorer_for
    from napari_virtual_ihc.comparison.report import facts
    from napari_virtual_ihc.comparison.report_files import write_report

    for mpp in (mpp_virtual, mpp_real, mpp_he):
        require_mpp(mpp)
    box = _box(region)
    slides = _opened(
        (virtual, mpp_virtual), (real, mpp_real), registration, None if he is None else (he, mpp_he)
    )
    scale = scale_for(slides.virtual, slides.real)
    scorer = scorer_for(cells, vectors, scale, slides.scanned, marker)
    tally = _scored(slides, scorer, scale, box, gate)
    found = agreements(tally)
    told = facts(tally, found, slides.about(scale, box, gated=gate))
    write_report(out, told, found, _picture(slides, box))
    emit(told if as_json else _shown(told), as_json)
    return 0


def _opened(virtual: Sized, real: Sized, registration: Path | None, he: Sized | None) -> Compared:
    from napari_virtual_ihc.comparison.compared import Compared
    from napari_virtual_ihc.slides.open import open_slide

    scanned = open_slide(*real)
    laid = _registered(scanned, registration)
    return Compared(open_slide(*virtual), laid, scanned, None if he is None else open_slide(*he))


def _scored(slides: Compared, scorer: Scorer, mpp: float, box: Box | None, gate: bool) -> PairTally:
    from napari_virtual_ihc.comparison.gate import ComparableTissue
    from napari_virtual_ihc.comparison.pairing import score_pair

    tissue = ComparableTissue(slides.pair) if gate else None
    with progress("Blocks") as bar:
        return score_pair(slides.virtual, slides.real, scorer, mpp, box, tissue, bar)


def _picture(slides: Compared, box: Box | None) -> RegionPicture:
    from napari_virtual_ihc.comparison.region_picture import region_picture

    with progress("Picture") as bar:
        return region_picture(slides.virtual, slides.real, slides.pair, box, "VIRTUAL IHC", bar)


def _registered(real: Slide, folder: Path | None) -> Slide:
    if folder is None:
        return real
    from napari_virtual_ihc.registration.store import load
    from napari_virtual_ihc.registration.warp import warp

    return warp(load(folder), real)


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    """Return for people the region, and how much of its tissue that is."""
    from napari_virtual_ihc.comparison.report_page import share_words

    values = {
        name: f"virtual {both['virtual']:.4g}, real {both['real']:.4g}"
        for name, both in told["region"].items()
        if both["virtual"] is not None and both["real"] is not None
    }
    return {"measured": share_words(told), **values, "notice": told["notice"]}


def _box(text: str) -> Box | None:
    from napari_virtual_ihc.comparison.squares import Box

    found = region_box(text)
    return None if found is None else Box(*found)
