"""``virtual-ihc translate`` and ``verify``: a slide out, and whether it is what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from napari_virtual_ihc.cli.output import emit, progress, region_box, require_mpp, say
from napari_virtual_ihc.errors import UsageError

_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def translate(
    slide: Annotated[Path, typer.Argument(help="Slide to translate.")],
    out: Annotated[Path, typer.Argument(help="Output: NAME.ome.zarr or NAME.ome.tiff.")],
    model: Annotated[str, typer.Option(help="Name in the library, or a model folder.")],
    mpp: Annotated[
        float | None, typer.Option(help="µm/px of the slide, instead of what it states.")
    ] = None,
    region: Annotated[str, typer.Option(help="Only tiles touching y,x,h,w (µm).")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    backend: Annotated[str, typer.Option(help="auto, torch or openvino.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    statistics: Annotated[str, typer.Option(help="slide, tile or dense.")] = "slide",
    sampler: Annotated[
        str, typer.Option(help="How a diffusion is sampled: model (as its card says) or a preset.")
    ] = "model",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Reverse steps of a diffusion, instead of its own.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of a diffusion's noise.")] = 0,
    scheduler: Annotated[str, typer.Option(help="dask scheduler, tcp://host:port.")] = "",
    as_json: _Json = False,
) -> int:
    """Translate a whole slide; cut short and started again, it does only what is missing."""
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.slides.open import open_slide
    from napari_virtual_ihc.translation.export import Options, translate_slide
    from napari_virtual_ihc.translation.sampling import Sampling

    require_mpp(mpp)
    options = Options(
        device=device, backend=backend, precision=precision, statistics=statistics,
        region=region_box(region), scheduler=scheduler or None,
        sampling=Sampling(sampler, steps, seed),
    )  # fmt: skip
    opened = open_slide(slide, mpp)
    loaded = Library().get(model)
    if options.sampling != Sampling() and loaded.card.kind != "diffusion":
        raise UsageError(
            f"Model {loaded.card.name!r} is no diffusion: it knows no --sampler, --steps or --seed."
        )
    warnings = opened.check()
    for warning in warnings:
        say(warning)
    with progress("Statistics, then tiles") as bar:
        report = translate_slide(
            opened, loaded, out, options, slide_path=slide, progress=bar, calibrating=bar,
            stepping=bar.step, notify=say,
        )  # fmt: skip
    emit(replace(report, notes=(*warnings, *report.notes)).to_json(), as_json)
    return 0 if report.whole else 1


def verify(
    out: Annotated[Path, typer.Argument(help="Output of translate.")],
    slide: Annotated[Path, typer.Option(help="The slide it was made from.")],
    model: Annotated[str, typer.Option(help="Model folder, where it is in no library.")] = "",
    tiles: Annotated[int, typer.Option(min=1, help="Tiles to make again.")] = 8,
    as_json: _Json = False,
) -> int:
    """Make some tiles again from the provenance and say whether they agree."""
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.slides.open import open_slide
    from napari_virtual_ihc.translation.verify import model_of, verify_output

    library = Library()
    loaded = library.get(model) if model else model_of(out, library)
    with progress("Tiles") as bar:
        report = verify_output(out, open_slide(slide), loaded, n=tiles, progress=bar)
    emit(report.to_json(), as_json)
    return 0 if report.agrees else 1
