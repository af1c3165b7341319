"""``virtual-ihc view`` and ``virtual-ihc demo``: napari with slides and a model in it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_virtual_ihc.cli.output import emit, progress, say
from napari_virtual_ihc.errors import UsageError

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.slide import Slide

_SCREEN = ("--auto-servernum", "--server-args=-screen 0 1600x1000x24")
_SIDE_PX, _SEED = 3072, 7


def view(
    slide: Annotated[Path, typer.Argument(help="The H&E slide.")],
    ihc: Annotated[Path | None, typer.Option(help="A real IHC of it, opened hidden.")] = None,
    model: Annotated[str, typer.Option(help="Model to translate with.")] = "",
    mpp: Annotated[float | None, typer.Option(help="µm/px, where the file states none.")] = None,
) -> None:
    """Open a slide in napari with the Virtual IHC dock."""
    from napari_virtual_ihc.slides.open import open_slide
    from napari_virtual_ihc.widgets.show import open_window, run

    slides = [open_slide(slide, mpp)] + ([open_slide(ihc)] if ihc is not None else [])
    open_window(slides, model, [slide] if ihc is None else [slide, ihc])
    run()


def demo(
    out: Annotated[Path, typer.Option(help="Folder for pictures and OME-Zarr.")] = Path("demo"),
    slide: Annotated[Path | None, typer.Option(help="Your own H&E slide.")] = None,
    ihc: Annotated[Path | None, typer.Option(help="A real IHC of its next section.")] = None,
    model: Annotated[str, typer.Option(help="Model to translate with.")] = "demo",
    size: Annotated[int, typer.Option(help="Side of the synthetic slide in px.")] = _SIDE_PX,
    window: Annotated[
        bool | None, typer.Option("--window/--no-window", help="Leave napari open at the end.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show a slide, its virtual and its real IHC; write pictures, a report and an OME-Zarr."""
    from napari_virtual_ihc.widgets.review_tour import ReviewTour
    from napari_virtual_ihc.widgets.show import has_display, open_window, run
    from napari_virtual_ihc.widgets.tour import Tour

    if not has_display():
        _again_on_a_virtual_screen()
    stay = window if window is not None else not os.environ.get("VIRTUAL_IHC_VIRTUAL_SCREEN")
    slides = _demo_slides(slide, ihc, size)
    shown = open_window(slides, model)
    tour = Tour(shown, out, say)
    pictures = tour.run()
    if len(slides) > 1:
        tour.look_closely()
        pictures += ReviewTour(shown, out, say).run()
    if not stay:
        shown.viewer.close()
    zarr = _export(slides[0], model, out / "virtual.ome.zarr")
    result = {"screenshots": [str(path) for path in pictures], "ome_zarr": str(zarr)}
    emit(result, as_json)
    if stay:
        say("napari stays open; close its window to end.")
        run()


def _demo_slides(he: Path | None, ihc: Path | None, size: int) -> list[Slide]:
    if he is not None:
        from napari_virtual_ihc.slides.open import open_slide

        return [open_slide(path) for path in (he, ihc) if path is not None]
    from napari_virtual_ihc.slides.phantom import Phantom

    phantom = Phantom(seed=_SEED, height=size, width=size)
    return [phantom.he(), phantom.ihc("next")]


def _export(slide: Slide, model: str, out: Path) -> Path:
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.translation.export import translate_slide

    if out.exists():
        shutil.rmtree(out)
    with progress("OME-Zarr") as report:
        translate_slide(slide, Library().get(model), out, progress=report)
    return out


def _again_on_a_virtual_screen() -> None:
    """Start this command anew under xvfb; does not return."""
    xvfb = shutil.which("xvfb-run")
    if xvfb is None:
        raise UsageError("There is no display, and xvfb-run is not installed (apt install xvfb).")
    say("There is no display: running on a virtual one.")
    environment = os.environ | {"VIRTUAL_IHC_VIRTUAL_SCREEN": "1"}
    command = [xvfb, *_SCREEN, sys.executable, *sys.argv]
    sys.stdout.flush()
    os.execve(xvfb, command, environment)
