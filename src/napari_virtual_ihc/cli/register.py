"""``virtual-ihc register``: a real IHC slide laid onto the H&E of the next section."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_virtual_ihc.cli.output import begun_anew, emit, progress, require_mpp, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.registration.landmark_files import PairFile
    from napari_virtual_ihc.registration.landmark_fit import Way
    from napari_virtual_ihc.registration.registration import Registration, StageResult
    from napari_virtual_ihc.slides.slide import Slide

    Slides = tuple[Slide, Slide]
    Found = tuple[Registration, dict[str, float | None]]
    Report = Callable[[int, int], None]

PairsWay = Literal["correct", "affine", "elastic"]


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
        typer.Option(
            help="CSV of each slide (X, Y in px), paired by a column n or by line: measured with, "
            "never fitted to."
        ),
    ] = None,
    landmarks_fit: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="CSV of each slide, as above: pairs the map is to meet."),
    ] = None,
    landmarks_way: Annotated[
        PairsWay | None,
        typer.Option(
            help="What these pairs do: correct the map found (the default), or give alone an "
            "affine map, or an elastic one that meets every pair."
        ),
    ] = None,
    imported: Annotated[
        list[Path] | None,
        typer.Option(
            "--import",
            help="A map made elsewhere, fixed to moving, instead of a search: a matrix "
            "(.npy, .json), a displacement field (.mha, .npy), or one of each.",
        ),
    ] = None,
    import_order: Annotated[
        Literal["yx", "xy"] | None,
        typer.Option(help="Which coordinate comes first in that matrix; yx unless given."),
    ] = None,
    import_unit: Annotated[
        Literal["um", "mm"] | None,
        typer.Option(help="Unit of that matrix and field; um unless given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Register two sections, or take a map made elsewhere, and say how well they fit."""
    from napari_virtual_ihc.registration.landmark_files import read_pairs
    from napari_virtual_ihc.registration.landmarks import landmark_error
    from napari_virtual_ihc.registration.store import require_new, save

    _require("--landmarks-way", landmarks_way, "--landmarks-fit", landmarks_fit)
    _require("--import-order", import_order, "--import", imported)
    _require("--import-unit", import_unit, "--import", imported)
    started = time.monotonic()
    require_new(out)
    slides = _opened(fixed, mpp_fixed, "fixed"), _opened(moving, mpp_moving, "moving")
    shapes = slides[0].shape, slides[1].shape
    check = None if landmarks is None else read_pairs(*landmarks, shapes)
    pairs = None if landmarks_fit is None else read_pairs(*landmarks_fit, shapes)
    if imported:
        base = _given(slides, imported, import_order or "yx", import_unit or "um")
        found, facts = _corrected(base, slides, pairs, landmarks_way or "correct")
    else:
        with begun_anew(), progress("Poses") as bar:
            found, facts = _found(slides, pairs, landmarks_way or "correct", bar)
    save(found, out)
    error = {} if check is None else asdict(landmark_error(found, check.fixed, check.moving))
    notes = [file.note for file in (check, pairs) if file is not None and file.note]
    told = error | facts | _facts(found) | {"notes": [*notes, *found.notes]}
    told["seconds"] = round(time.monotonic() - started, 2)
    for note in told["notes"] if as_json else ():
        say(note)
    emit(told if as_json else told | {"stages": _shown(found)}, as_json)


def _require(option: str, value: object, needed: str, there: object) -> None:
    from napari_virtual_ihc.errors import UsageError

    if value is not None and not there:
        raise UsageError(f"{option} belongs to {needed}, which is not given.")


def _opened(path: Path, mpp: float | None, part: str) -> Slide:
    """Open a slide; refuse a virtual one, and one whose scale neither it nor its option states."""
    from napari_virtual_ihc.comparison.about import require_real
    from napari_virtual_ihc.errors import MissingScaleError
    from napari_virtual_ihc.slides.open import open_slide
    from napari_virtual_ihc.slides.stated import stated

    require_mpp(mpp, f"--mpp-{part}")
    require_real(path.name, stated(path))
    slide = open_slide(path, mpp)
    if slide.mpp is None:
        raise MissingScaleError(
            f"{slide.name} does not state its scale; give it with --mpp-{part}."
        )
    return slide


def _found(slides: Slides, pairs: PairFile | None, way: Way, report: Report) -> Found:
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
        alone: Way = "affine" if way == "correct" else way
        return _by_pairs(laid_centred(*slides), slides, pairs, alone)
    return _corrected(found, slides, pairs, way)


def _given(slides: Slides, paths: list[Path], order: str, unit: str) -> Registration:
    from napari_virtual_ihc.registration.imports import measured, read_map

    return measured(read_map(paths, slides[0], order=order, unit=unit), *slides)


def _corrected(base: Registration, slides: Slides, pairs: PairFile | None, way: Way) -> Found:
    return (base, {}) if pairs is None else _by_pairs(base, slides, pairs, way)


def _by_pairs(base: Registration, slides: Slides, pairs: PairFile, way: Way) -> Found:
    """Return the map that marked pairs ask for, and the median error of a pair left out in turn."""
    from napari_virtual_ihc.errors import RegistrationError
    from napari_virtual_ihc.registration.judge import Judge
    from napari_virtual_ihc.registration.landmark_fit import LEAST
    from napari_virtual_ihc.registration.landmarks import Landmarks
    from napari_virtual_ihc.registration.placement import Placement, medians, registration_of

    marked = Landmarks(pairs.fixed * base.fixed.mpp, pairs.moving * base.moving.mpp)
    if marked.count < LEAST[way]:
        raise RegistrationError(f"One pair gives no map by itself; mark {LEAST[way]} or more.")
    placement = Placement(base, marked=marked, way=way)
    median = medians(placement)[way]
    told = None if math.isnan(median) else round(median, 2)
    facts: dict[str, float | None] = {"pairs": marked.count, "left_out_median_um": told}
    return registration_of(placement, Judge(*slides)), facts


def _facts(found: Registration) -> dict[str, Any]:
    from napari_virtual_ihc.registration.affine import shape_of

    return {
        "accepted_stage": found.stage,
        "stages": [_told(stage) for stage in found.stages],
        "squares_agreeing": found.agreeing,
        **asdict(shape_of(found.mapping.affine)),
    }


def _told(stage: StageResult) -> dict[str, Any]:
    facts = asdict(replace(stage, mapping=None))
    del facts["mapping"]
    return facts


def _shown(found: Registration) -> list[str]:
    return [f"{stage.name} {_likeness(stage)}  {stage.why}" for stage in found.stages]


def _likeness(stage: StageResult) -> str:
    return " → ".join("–" if v is None else f"{v:.2f}" for v in (stage.before, stage.after))
