"""A whole slide, translated to OME-Zarr or OME-TIFF; cut short, it goes on where it was."""

from __future__ import annotations

import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import ExportError, UsageError
from napari_virtual_ihc.slides.ome_tiff import write_ome_tiff
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation.calibration import ignore
from napari_virtual_ihc.translation.export_run import ExportRun
from napari_virtual_ihc.translation.plan import wanted_tiles
from napari_virtual_ihc.translation.record import Record, require_same
from napari_virtual_ihc.translation.sampling import Sampling
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.translation.calibration import Statistics
    from napari_virtual_ihc.translation.cluster import Cluster
    from napari_virtual_ihc.translation.plan import Box
    from napari_virtual_ihc.translation.report import TranslationReport

    Progress = Callable[[int, int], None]

_ZARR, _TIFFS = ".zarr", (".ome.tif", ".ome.tiff")


@dataclass(frozen=True)
class Options:
    """How to translate; the words of `Translator`.

    Attributes
    ----------
    tile, sampling
        See `Translator`.
    region
        (y, x, h, w) in µm; only tiles that touch it are made, in a pyramid of the whole slide.
    scheduler
        Address of a dask scheduler, such as ``tcp://host:8786``; None runs here.
    """

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    statistics: str = "slide"
    tile: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    region: Box | None = None
    scheduler: str | None = None


def translate_slide(
    slide: Slide, model: Model, out: Path, options: Options | None = None, *,
    slide_path: Path | None = None, cache: Path | None = None, progress: Progress = ignore,
    calibrating: Progress = ignore, stepping: Progress = ignore,
    cancelled: Callable[[], bool] = never, notify: Callable[[str], None] | None = None,
) -> TranslationReport:  # fmt: skip
    """Translate a slide into ``out`` and return what came of it.

    Blank tiles get the card's background colour; failed tiles are hatched, counted and tried again
    when the command is repeated.

    Parameters
    ----------
    out
        A name in ``.zarr`` (OME-Zarr 0.5), ``.ome.tif`` or ``.ome.tiff``. A TIFF is staged in a
        Zarr beside it and written once at the end.
    slide_path
        File of the slide; needed with a scheduler only, whose workers open it themselves.
    cache
        See `Translator`.
    progress, calibrating, stepping
        Called with tiles done, steps of calibration, steps of a diffusion's window, and in all.
    cancelled
        Asked between and inside forwards.
    notify
        Told of fallbacks as they happen.

    Raises
    ------
    Cancelled
        If ``cancelled`` said so; what is written stays.
    ExportError
        If the output cannot be written, or was begun from another model, slide or settings.
    UsageError
        If the output's name or an option does not do.
    """
    options = options or Options()
    target = _Target(out)
    if target.finished():
        raise ExportError(f"{out.name} exists already; give another name or remove it first.")
    translator = _translator(slide, model, options, target.folder, cache, notify)
    with _cluster(options.scheduler) as cluster:
        start = time.perf_counter()
        translator.prepare(calibrating, cancelled)
        calibrated = time.perf_counter()
        wanted_tiles(translator.grid, options.region)
        pyramid = _open_or_create(target.folder, translator)
        with Record(target.folder).writing():
            run = ExportRun(translator, pyramid, options.region)
            if cluster is None:
                run.here(progress, cancelled, stepping)
            elif slide_path is None:
                raise UsageError("A cluster's workers need the slide's path.")
            else:
                run.on_cluster(cluster, slide_path, progress, cancelled)
            provenance = run.finish()
        target.complete(pyramid, provenance)
        return run.report(calibrated - start, time.perf_counter() - calibrated)


def _cluster(address: str | None) -> AbstractContextManager[Cluster | None]:
    """Return a connection to the scheduler, so that a wrong address is told before any work."""
    if address is None:
        return nullcontext()
    from napari_virtual_ihc.translation.cluster import Cluster

    return Cluster(address)


class _Target:
    """Where the output goes: the pyramid's folder, and the TIFF made of it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        name = out.name.lower()
        self.tiff = name.endswith(_TIFFS)
        if not self.tiff and not name.endswith(_ZARR):
            raise UsageError(f"{out.name} ends in neither .ome.zarr nor .ome.tiff.")
        self.folder = out.with_name(f".{out.name}.staging.zarr") if self.tiff else out

    def finished(self) -> bool:
        return self.tiff and self.out.exists()

    def complete(self, pyramid: OmeZarrPyramid, attributes: dict[str, Any]) -> None:
        if self.tiff:
            write_ome_tiff(self.out, pyramid, attributes)
            shutil.rmtree(self.folder)


def _translator(
    slide: Slide, model: Model, options: Options, folder: Path, cache: Path | None,
    notify: Callable[[str], None] | None,
) -> Translator:  # fmt: skip
    measured = _begun_with(folder, slide, model)
    return Translator(
        model, slide, device=options.device, backend=options.backend,
        precision=options.precision, statistics=options.statistics, tile=options.tile,
        sampling=options.sampling, cache=cache, measured=measured, notify=notify,
    )  # fmt: skip


def _begun_with(folder: Path, slide: Slide, model: Model) -> Statistics | None:
    """Return the statistics of an output begun from the same slide and weights."""
    if not (folder / "zarr.json").exists():
        return None
    named = OmeZarrPyramid.open(folder).attributes
    same = (
        named.get("model", {}).get("weights") == model.weights_hash
        and named.get("slide", {}).get("fingerprint") == slide.fingerprint
    )
    return Record(folder).statistics(named) if same else None


def _open_or_create(folder: Path, translator: Translator) -> OmeZarrPyramid:
    provenance = translator.provenance()
    if (folder / "zarr.json").exists():
        pyramid = OmeZarrPyramid.open(folder)
        require_same(folder.name, pyramid.attributes, provenance)
    else:
        grid = translator.grid
        grey = round(sum(translator.model.card.background) / 3)
        pyramid = OmeZarrPyramid.create(
            folder, height=grid.height, width=grid.width, mpp=grid.mpp, tile=grid.tile,
            attributes=provenance, background=grey,
        )  # fmt: skip
    Record(folder).keep_statistics(translator.statistics)
    return pyramid
