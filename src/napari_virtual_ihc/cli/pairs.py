"""``virtual-ihc pairs``: training pairs cut from two registered slides."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit, progress, require_mpp, say


def pairs(
    he: Annotated[Path, typer.Argument(help="The H&E slide.")],
    ihc: Annotated[Path, typer.Argument(help="The IHC slide of the same or the next section.")],
    registration: Annotated[Path, typer.Argument(help="Folder written by register.")],
    out: Annotated[Path, typer.Argument(help="Folder for trainA, trainB, valA, valB.")],
    mpp: Annotated[float, typer.Option(help="Scale of the pairs, µm/px.")],
    marker: Annotated[str, typer.Option(help="What the IHC shows.")],
    size: Annotated[int, typer.Option(min=16, help="Side of a pair, px.")] = 512,
    comparable: Annotated[
        float, typer.Option(help="Least share of a pair's tissue that is comparable.")
    ] = 0.9,
    tissue: Annotated[float, typer.Option(help="Least share of a pair that is tissue.")] = 0.25,
    held_out: Annotated[float, typer.Option(help="Share of pairs kept for validation.")] = 0.1,
    mpp_he: Annotated[float | None, typer.Option(help="µm/px of the H&E.")] = None,
    mpp_ihc: Annotated[float | None, typer.Option(help="µm/px of the IHC.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Cut aligned pairs where H&E and IHC are comparable, split by region."""
    from napari_virtual_ihc.comparison.about import require_real
    from napari_virtual_ihc.comparison.pair_folder import Registered, cut_pairs
    from napari_virtual_ihc.comparison.training_pairs import PairSettings
    from napari_virtual_ihc.registration.store import load
    from napari_virtual_ihc.registration.warp import warp
    from napari_virtual_ihc.slides.open import open_slide
    from napari_virtual_ihc.slides.stated import stated

    for scale in (mpp, mpp_he, mpp_ihc):
        require_mpp(scale)
    for path in (he, ihc):
        require_real(path.name, stated(path))
    settings = PairSettings(mpp, marker, size, tissue, comparable, held_out)
    found = load(registration)
    slides = Registered(open_slide(he, mpp_he), warp(found, open_slide(ihc, mpp_ihc)), found)
    with progress("Squares") as bar:
        told = cut_pairs(slides, settings, out, bar.part)
    if held_out and not told["pairs"]["val"]:
        say("Too few pairs to hold some out with a gap around them; all are for training.")
    emit(told if as_json else _shown(told), as_json)


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("pairs", "squares", "dropped", "tissue_shares")}
