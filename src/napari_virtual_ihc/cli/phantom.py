"""``virtual-ihc phantom``: synthetic sections with known truth, or training pairs cut from them."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_virtual_ihc.cli.output import emit, progress

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.phantom import Phantom
    from napari_virtual_ihc.slides.phantom.export import Format
    from napari_virtual_ihc.slides.phantom.pairs import PairPlan
    from napari_virtual_ihc.slides.phantom.parameters import Section


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    pair: Annotated[bool, typer.Option("--pair", help="Write the IHC beside the H&E.")] = False,
    size: Annotated[int, typer.Option(help="Side of the slide in px.")] = 8192,
    seed: Annotated[int, typer.Option(help="Same seed, same slide.")] = 0,
    marker: Annotated[str, typer.Option(help="Ki-67, ER, PR or HER2.")] = "Ki-67",
    mpp: Annotated[float, typer.Option(help="µm/px of level 0.")] = 0.5,
    section: Annotated[
        Literal["same", "next"], typer.Option(help="IHC of the same section or the next.")
    ] = "same",
    format_: Annotated[
        Literal["zarr", "tiff"], typer.Option("--format", help="OME-Zarr or OME-TIFF.")
    ] = "zarr",
    pairs: Annotated[int, typer.Option(help="Write this many training pairs instead.")] = 0,
    pair_size: Annotated[int, typer.Option(help="Side of a training pair in px.")] = 256,
    truth: Annotated[
        bool, typer.Option("--truth", help="Beside pairs: what is true of the held-out ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write synthetic tissue: slides with truth, or pairs for training."""
    started = time.monotonic()
    if pairs:
        from napari_virtual_ihc.slides.phantom.pairs import PairPlan

        plan = PairPlan(pairs, pair_size, seed, marker, mpp, section)
        result = _training_pairs(out, plan, truth)
    else:
        from napari_virtual_ihc.slides.phantom import Phantom

        made = Phantom(seed, size, size, mpp, marker)
        result = _slides(out, made, pair, section, format_)
    emit(result | {"um_per_px": mpp, "seconds": round(time.monotonic() - started, 2)}, as_json)


def _training_pairs(out: Path, plan: PairPlan, truth: bool) -> dict[str, Any]:
    from napari_virtual_ihc.slides.phantom.pair_truth import read_squares
    from napari_virtual_ihc.slides.phantom.pairs import write_pairs

    with progress("pairs") as report:
        counts = write_pairs(out, plan, truth=truth, report=report)
    facts = {"folder": str(out), "marker": plan.marker, "size_px": plan.size, **counts}
    return facts | ({"truth": read_squares(out / "truth").told()} if truth else {})


def _slides(out: Path, made: Phantom, pair: bool, section: Section, form: Format) -> dict[str, Any]:
    from napari_virtual_ihc.slides.phantom.export import require_same, write_slide, write_truth

    require_same(out, made, section)
    with progress("H&E") as report:
        result: dict[str, Any] = {"he": str(write_slide(out / "HE", made.he(), form, report))}
    if pair:
        with progress(made.marker) as report:
            ihc = made.ihc(section)
            result["ihc"] = str(write_slide(out / made.marker, ihc, form, report))
    truth = write_truth(out, made, section)
    return result | {"truth": str(out / "truth.json"), "cells": truth["cells"]}
