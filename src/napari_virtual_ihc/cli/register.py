"""``virtual-ihc register``: a real IHC slide laid onto the H&E of the next section."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit, progress, require_mpp, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.registration.affine import Points
    from napari_virtual_ihc.registration.landmark_fit import Way
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide

    Facts = dict[str, float | None]
    Report = Callable[[int, int], None]


def register(
    fixed: Annotated[Path, typer.Argument(help="The H&E slide.")],
    moving: Annotated[Path, typer.Argument(help="The IHC slide to lay onto it.")],
    out: Annotated[Path, typer.Argument(help="Folder for registration.json and its field.")],
    mpp_fixed: Annotated[
        float | None, typer.Option(help="µm/px of the H&E, instead of what it states.")
    ] = None,
    mpp_moving: Annotated[
        float | None, typer.Option(help="µm/px of the IHC, instead of what it states.")
    ] = None,
    landmarks: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="CSV of each slide (X, Y in px): measured with, never fitted to."),
    ] = None,
    landmarks_fit: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="CSV of each slide (X, Y in px): pairs the map is to meet."),
    ] = None,
    imported: Annotated[
        list[Path] | None,
        typer.Option(
            "--import",
            help="A map made elsewhere, fixed µm to moving µm, instead of a search: a matrix "
            "(.npy, .json), a displacement field (.mha, .npy), or one of each.",
        ),
    ] = None,
    import_order: Annotated[
        str, typer.Option(help="Which coordinate comes first in that matrix: yx or xy.")
    ] = "yx",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Register two sections, or take a map made elsewhere, and say how well they fit."""
    from napari_virtual_ihc.registration.landmarks import landmark_error, read_landmarks
    from napari_virtual_ihc.registration.store import save
    from napari_virtual_ihc.slides.open import open_slide

    for mpp in (mpp_fixed, mpp_moving):
        require_mpp(mpp)
    points = None if landmarks is None else [read_landmarks(path) for path in landmarks]
    pairs = None if landmarks_fit is None else [read_landmarks(path) for path in landmarks_fit]
    started = time.monotonic()
    slides = open_slide(fixed, mpp_fixed), open_slide(moving, mpp_moving)
    if imported:
        found, left_out = _given(slides, imported, import_order, pairs)
    else:
        with progress("Poses") as bar:
            found, left_out = _found(slides, pairs, bar)
    save(found, out)
    seconds = time.monotonic() - started
    for note in found.notes if as_json else ():
        say(note)
    error = {} if points is None else asdict(landmark_error(found, *points))
    emit(error | left_out | _facts(found) | {"seconds": round(seconds, 2)}, as_json)


def _found(
    slides: tuple[Slide, Slide], pairs: list[Points] | None, report: Report
) -> tuple[Registration, Facts]:
    """Return the map found, corrected by pairs if there are any; alone where none was found."""
    from napari_virtual_ihc.errors import RegistrationError
    from napari_virtual_ihc.registration.placement import laid_centred
    from napari_virtual_ihc.registration.register import register as fit

    try:
        found = fit(*slides, report)
    except RegistrationError as error:
        if pairs is None:
            raise
        say(f"{error} The pairs alone give the map.")
        return _by_pairs(laid_centred(*slides), slides, pairs, "affine")
    return (found, {}) if pairs is None else _by_pairs(found, slides, pairs, "correct")


def _given(
    slides: tuple[Slide, Slide], paths: list[Path], order: str, pairs: list[Points] | None
) -> tuple[Registration, Facts]:
    """Return a map made elsewhere, corrected by pairs if there are any."""
    from napari_virtual_ihc.registration.imports import measured, read_map

    found = measured(read_map(paths, slides[0], order=order), *slides)
    return (found, {}) if pairs is None else _by_pairs(found, slides, pairs, "correct")


def _by_pairs(
    base: Registration, slides: tuple[Slide, Slide], pairs: list[Points], way: Way
) -> tuple[Registration, Facts]:
    """Return the map that marked pairs ask for, and the median error of a pair left out in turn."""
    from napari_virtual_ihc.errors import RegistrationError
    from napari_virtual_ihc.registration.judge import Judge
    from napari_virtual_ihc.registration.landmark_fit import LEAST
    from napari_virtual_ihc.registration.landmarks import Landmarks
    from napari_virtual_ihc.registration.placement import Placement, medians, registration_of

    marked = Landmarks(pairs[0] * base.fixed.mpp, pairs[1] * base.moving.mpp).whole()
    if marked.count < LEAST[way]:
        raise RegistrationError(f"One pair gives no map by itself; mark {LEAST[way]} or more.")
    placement = Placement(base, marked=marked, way=way)
    median = medians(placement)[way]
    told = None if math.isnan(median) else round(median, 2)
    facts: Facts = {"pairs": marked.count, "left_out_median_um": told}
    return registration_of(placement, Judge(*slides)), facts


def _facts(found: Registration) -> dict[str, Any]:
    from napari_virtual_ihc.registration.affine import shape_of

    return {
        "accepted_stage": found.stage,
        "stages": {stage.name: stage.why for stage in found.stages},
        "squares_agreeing": found.agreeing,
        **asdict(shape_of(found.mapping.affine)),
        "notes": list(found.notes),
    }
