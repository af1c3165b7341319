"""``virtual-ihc compare``: how far a virtual IHC agrees with the real one."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit, progress, region_box, require_mpp, say

if TYPE_CHECKING:
    from napari_virtual_ihc.comparison.gate import SlidePair
    from napari_virtual_ihc.comparison.squares import Box
    from napari_virtual_ihc.slides.slide import Slide


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
    mpp_virtual: Annotated[float | None, typer.Option(help="µm/px of the virtual slide.")] = None,
    mpp_real: Annotated[float | None, typer.Option(help="µm/px of the real slide.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> int:
    """Score both alike, square by square, and write how far they agree. Research use only."""
    from napari_virtual_ihc.comparison.agreement import agreements
    from napari_virtual_ihc.comparison.asking import scale_for, scorer_for
    from napari_virtual_ihc.comparison.gate import ComparableTissue
    from napari_virtual_ihc.comparison.pairing import require_aligned, score_pair
    from napari_virtual_ihc.comparison.region_picture import region_picture
    from napari_virtual_ihc.comparison.report import facts
    from napari_virtual_ihc.comparison.report_files import write_report
    from napari_virtual_ihc.comparison.report_page import share_words
    from napari_virtual_ihc.slides.open import open_slide

    for mpp in (mpp_virtual, mpp_real):
        require_mpp(mpp)
    box = _box(region)
    first, moving = open_slide(virtual, mpp_virtual), open_slide(real, mpp_real)
    second = _registered(moving, registration)
    require_aligned(first, second)
    scale = scale_for(first, second)
    scorer = scorer_for(cells, vectors, scale, moving)
    pair = _pair(first, second, None if he is None else open_slide(he, mpp_virtual))
    with progress("Blocks") as bar:
        tally = score_pair(
            first, second, scorer, scale, box, ComparableTissue(pair) if gate else None, bar
        )
    found = agreements(tally)
    about = {
        "virtual": first.fingerprint, "real": moving.fingerprint, "um_per_px": scale,
        "comparable_by": "virtual and real IHC" if he is None else "H&E and real IHC",
        "registered": registration is not None, "region_um": None if box is None else list(box),
    }  # fmt: skip
    told = facts(tally, found, about)
    with progress("Picture") as bar:
        picture = region_picture(first, second, pair, box, "VIRTUAL IHC", bar)
    write_report(out, told, found, picture)
    if not told["comparable_share"]:
        say(share_words(told))
    emit(_shown(told, as_json), as_json)
    return 0


def _pair(virtual: Slide, real: Slide, he: Slide | None) -> SlidePair:
    """Return what says where the slides are comparable."""
    from napari_virtual_ihc.comparison.gate import SlidePair, layout_for
    from napari_virtual_ihc.comparison.pairing import require_aligned

    if he is None:
        return SlidePair(virtual, real, "ihc", layout_for(virtual, real))
    require_aligned(he, real)
    return SlidePair(he, real, "he", layout_for(he, real))


def _registered(real: Slide, folder: Path | None) -> Slide:
    if folder is None:
        return real
    from napari_virtual_ihc.registration.store import load
    from napari_virtual_ihc.registration.warp import warp

    return warp(load(folder), real)


def _shown(told: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Return all of it for programs; the region and the share for people."""
    if as_json:
        return told
    values = {
        name: f"virtual {both['virtual']:.4g}, real {both['real']:.4g}"
        for name, both in told["region"].items()
        if both["virtual"] is not None and both["real"] is not None
    }
    return {"comparable_share": told["comparable_share"], **values, "notice": told["notice"]}


def _box(text: str) -> Box | None:
    from napari_virtual_ihc.comparison.squares import Box

    found = region_box(text)
    return None if found is None else Box(*found)
