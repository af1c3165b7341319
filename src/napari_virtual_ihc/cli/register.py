"""``virtual-ihc register``: a real IHC slide laid onto the H&E of the next section."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit, progress, require_mpp, say

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.registration import Registration


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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Register two sections and say how well they fit."""
    from napari_virtual_ihc.registration.landmarks import landmark_error, read_landmarks
    from napari_virtual_ihc.registration.register import register as fit
    from napari_virtual_ihc.registration.store import save
    from napari_virtual_ihc.slides.open import open_slide

    for mpp in (mpp_fixed, mpp_moving):
        require_mpp(mpp)
    points = None if landmarks is None else [read_landmarks(path) for path in landmarks]
    started = time.monotonic()
    slides = open_slide(fixed, mpp_fixed), open_slide(moving, mpp_moving)
    with progress("Poses") as bar:
        found = fit(*slides, bar)
    save(found, out)
    seconds = time.monotonic() - started
    for note in found.notes:
        say(note)
    error = {} if points is None else asdict(landmark_error(found, *points))
    emit(error | _facts(found) | {"seconds": round(seconds, 2)}, as_json)


def _facts(found: Registration) -> dict[str, Any]:
    from napari_virtual_ihc.registration.affine import shape_of

    return {
        "accepted_stage": found.stage,
        "stages": {stage.name: stage.why for stage in found.stages},
        "squares_agreeing": found.agreeing,
        **asdict(shape_of(found.mapping.affine)),
        "notes": list(found.notes),
    }
