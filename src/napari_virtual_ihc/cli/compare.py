"""``virtual-ihc compare``: how far a virtual IHC agrees with the real one."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from napari_virtual_ihc.cli.output import begun_anew, emit, progress, region_box, require_mpp, say
from napari_virtual_ihc.errors import MissingScaleError

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.compared import Compared
    from napari_virtual_ihc.comparison.pair_tally import PairTally
    from napari_virtual_ihc.comparison.region_picture import RegionPicture
    from napari_virtual_ihc.comparison.scorer import Scorer
    from napari_virtual_ihc.comparison.squares import Box
    from napari_virtual_ihc.slides.slide import Slide

_ORDER = "Give the virtual IHC first, the real one second."


class _File(NamedTuple):
    """A slide's path, the scale given, and the option that gives it."""

    path: Path
    mpp: float | None
    option: str


def compare(
    virtual: Annotated[Path, typer.Argument(help="Virtual IHC.")],
    real: Annotated[Path, typer.Argument(help="Real IHC; one that a model made is refused.")],
    out: Annotated[
        Path, typer.Option(help="New folder for CSV, JSON, pictures and the report.")
    ],
    registration: Annotated[
        Path | None,
        typer.Option(help="Folder written by register; without it, both are taken as aligned."),
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
    gate: Annotated[bool, typer.Option(help="Measure comparable tissue only.")] = True,
    marker: Annotated[
        str,
        typer.Option(help="What the IHC shows, where the virtual one's file does not say: for "
                     "HER2, auto looks at membranes."),
    ] = "",
    mpp_virtual: Annotated[float | None, typer.Option(help="µm/px of the virtual slide.")] = None,
    mpp_real: Annotated[float | None, typer.Option(help="µm/px of the real slide.")] = None,
    mpp_he: Annotated[float | None, typer.Option(help="µm/px of the H&E.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:  # fmt: skip
    """Score both alike, square by square, and write how far they agree. Research use only."""
    from napari_virtual_ihc.comparison.agreement import agreements
    from napari_virtual_ihc.comparison.asking import scale_for, scorer_for
    from napari_virtual_ihc.comparison.report import facts
    from napari_virtual_ihc.comparison.report_files import write_report
    from napari_virtual_ihc.comparison.report_folder import require_new
    from napari_virtual_ihc.comparison.report_rows import warned

    box = _box(region)
    require_new(out)
    files = _File(virtual, mpp_virtual, "--mpp-virtual"), _File(real, mpp_real, "--mpp-real")
    judge = None if he is None else _File(he, mpp_he, "--mpp-he")
    with begun_anew():
        slides = _compared(*files, judge, registration, marker)
        scale = scale_for(slides.virtual, slides.real)
        scorer = scorer_for(cells, vectors, scale, slides.scanned, slides.marker)
        tally = _scored(slides, scorer, scale, box, gate)
        found = agreements(tally)
        told = facts(tally, found, slides.about(scale, box))
        write_report(out, told, found, _picture(slides, box))
    for sentence in warned(told):
        say(sentence)
    emit(told if as_json else _shown(told), as_json)
    return 0


def _compared(
    virtual: _File, real: _File, he: _File | None, registration: Path | None, marker: str
) -> Compared:
    from napari_virtual_ihc.comparison.about import marker_of, of_model, require_real
    from napari_virtual_ihc.comparison.compared import Compared
    from napari_virtual_ihc.slides.stated import stated

    for one in filter(None, (real, he)):
        require_real(one.path.name, stated(one.path), _ORDER)
    scanned, made = _opened(real), of_model(stated(virtual.path))
    judge = None if he is None else _opened(he)
    laid, named = _registered(scanned, registration), marker or marker_of(made)
    return Compared(_opened(virtual), laid, scanned, judge, made, named)


def _opened(file: _File) -> Slide:
    """Open a slide whose scale is known."""
    from napari_virtual_ihc.slides.open import open_slide

    require_mpp(file.mpp, file.option)
    slide = open_slide(file.path, file.mpp)
    if slide.mpp is None:
        raise MissingScaleError(
            f"{slide.name} does not state its scale; give {file.option}, its µm/px."
        )
    return slide


def _scored(slides: Compared, scorer: Scorer, mpp: float, box: Box | None, gate: bool) -> PairTally:
    from napari_virtual_ihc.comparison.gate import ComparableTissue
    from napari_virtual_ihc.comparison.pairing import score_pair

    tissue = ComparableTissue(slides.pair)
    with progress("Blocks") as bar:
        return score_pair(
            slides.virtual, slides.real, scorer, mpp, box, tissue, bar, everywhere=not gate
        )


def _picture(slides: Compared, box: Box | None) -> RegionPicture:
    from napari_virtual_ihc.comparison.about import banner_of
    from napari_virtual_ihc.comparison.region_picture import region_picture

    banner = banner_of(slides.stated, slides.marker)
    with progress("Picture") as bar:
        return region_picture(slides.virtual, slides.real, slides.pair, box, banner, bar)


def _registered(real: Slide, folder: Path | None) -> Slide:
    if folder is None:
        return real
    from napari_virtual_ihc.registration.store import load
    from napari_virtual_ihc.registration.warp import warp

    return warp(load(folder), real)


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    """Return for people the region, and how much of its tissue that is."""
    from napari_virtual_ihc.comparison.report_rows import (
        origin_rows,
        place_words,
        region_rows,
        share_words,
    )

    values = {
        f"{name}, {unit}": f"virtual {virtual} (n = {n}), real {real} (n = {m})"
        for name, unit, virtual, n, real, m, _ in region_rows(told)
    }
    where = {"measured": share_words(told), "where": place_words(told["provenance"])}
    return where | values | dict(origin_rows(told)) | {"notice": told["notice"]}


def _box(text: str) -> Box | None:
    from napari_virtual_ihc.comparison.squares import Box

    found = region_box(text)
    return None if found is None else Box(*found)
