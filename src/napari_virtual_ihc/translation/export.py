"""A whole slide, translated to OME-Zarr or OME-TIFF; cut short, it goes on where it was."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import ExportError, UsageError
from napari_virtual_ihc.slides.ome_tiff import write_ome_tiff
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.calibration import ignore, never
from napari_virtual_ihc.translation.pipeline import Pipeline
from napari_virtual_ihc.translation.record import (
    Record,
    digest_of,
    read_failures,
    require_same,
)
from napari_virtual_ihc.translation.report import Tally, TranslationReport
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.producer import Pixels
    from napari_virtual_ihc.translation.calibration import Statistics
    from napari_virtual_ihc.translation.cluster import Cluster

    Progress = Callable[[int, int], None]

_ZARR, _TIFFS = ".zarr", (".ome.tif", ".ome.tiff")


@dataclass(frozen=True)
class Options:
    """How to translate; the words of `Translator`.

    Attributes
    ----------
    region
        (y, x, h, w) in µm; only tiles that touch it are made, in a pyramid of the whole slide.
    scheduler
        Address of a dask scheduler, such as ``tcp://host:8786``; None runs here.
    """

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    statistics: str = "slide"
    tile: int = 512
    region: tuple[float, float, float, float] | None = None
    scheduler: str | None = None


def translate_slide(
    slide: Slide, model: Model, out: Path, options: Options | None = None, *,
    slide_path: Path | None = None, cache: Path | None = None, progress: Progress = ignore,
    calibrating: Progress = ignore, cancelled: Callable[[], bool] = never,
    notify: Callable[[str], None] | None = None,
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
    progress, calibrating
        Called with tiles (steps) done and in all.
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
        run = _Run(translator, _open_or_create(target.folder, translator), options)
        if cluster is None:
            run.here(progress, cancelled)
        elif slide_path is None:
            raise UsageError("A cluster's workers need the slide's path.")
        else:
            run.on_cluster(cluster, slide_path, progress, cancelled)
        run.finish(target)
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


class _Run:
    """One run over the tiles that are missing."""

    def __init__(self, translator: Translator, pyramid: OmeZarrPyramid, options: Options) -> None:
        self._translator = translator
        self._pyramid = pyramid
        self._record = Record(pyramid.path)
        self._failed = read_failures(pyramid.path)
        self._tally = Tally()
        self._forward_seconds: float | None = None
        self._workers = 1
        wanted = wanted_tiles(translator, options.region)
        missing = {tile for tile in wanted if self._lacks(tile)}
        self._blocks = [
            tuple(tile for tile in block if tile in missing)
            for block in translator.plan.blocks(sorted(missing))
        ]
        self._wanted, self._missing = len(wanted), len(missing)
        if missing:
            self._record.open_again()

    def here(self, progress: Progress, cancelled: Callable[[], bool]) -> None:
        """Make the missing tiles in this process."""
        pipeline = Pipeline(self._translator, partial(write_tiles, self._pyramid))
        for made in pipeline.run(self._blocks, cancelled):
            self._count(Tally.of(made), progress)
        self._forward_seconds = round(pipeline.forward_seconds, 3)

    def on_cluster(
        self, cluster: Cluster, slide_path: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> None:
        """Make the missing tiles on the workers of a dask cluster."""
        from napari_virtual_ihc.translation.cluster import order_of

        self._workers = cluster.workers
        order = order_of(self._translator, slide_path)
        for tally in cluster.run(order, self._blocks, self._pyramid.path, cancelled):
            self._count(tally, progress)

    def finish(self, target: _Target) -> None:
        """Build what hangs on the tiles: coarser levels, checksums, the TIFF."""
        provenance = self._translator.provenance() | {"failed_tiles": self._failures()}
        sums = self._record.sealed()
        if self._missing or sums is None:
            self._pyramid.build_levels()
            sums = self._record.seal(self._pyramid)
        target.complete(self._pyramid, provenance | {"pixels": digest_of(sums)})

    def report(self, calibration: float, seconds: float) -> TranslationReport:
        """Return what came of it; both times in seconds."""
        translator, tally = self._translator, self._tally
        grid, failures = translator.grid, self._failures()
        return TranslationReport(
            tiles=self._wanted, failed_tiles=len(failures), blank_tiles=tally.blank,
            incomplete_tiles=tally.incomplete, resumed_tiles=self._wanted - self._missing,
            seconds=round(seconds, 3), calibration_seconds=round(calibration, 3),
            forward_seconds=self._forward_seconds,
            megapixels_per_second=tally.translated_px / 1e6 / seconds, um_per_px=grid.mpp,
            height=grid.height, width=grid.width, runs_on=translator.runs_on,
            statistics=translator.mode, tiling=translator.model.card.tiling,
            workers=self._workers, failures=tuple(failures),
            notes=(*translator.notes, *translator.notices),
        )  # fmt: skip

    def _lacks(self, tile: TileAddress) -> bool:
        place = tile.row, tile.col
        return place in self._failed or not self._pyramid.has_tile(*place)

    def _count(self, tally: Tally, progress: Progress) -> None:
        """Note failures first, hatch them then: a hatched tile on disk is always on the list."""
        self._tally.merge(tally)
        for place in tally.places - tally.failed.keys():
            self._failed.pop(place, None)
        self._failed |= tally.failed
        if tally.failed or self._record.lists_failures():
            self._record.keep_failures(self._failed)
        for place in tally.failed:
            hatch_tile(self._pyramid, place)
        progress(self._tally.done, self._missing)

    def _failures(self) -> list[str]:
        return [f"{row}, {col}: {reason}" for (row, col), reason in sorted(self._failed.items())]


def wanted_tiles(
    translator: Translator, region: tuple[float, float, float, float] | None
) -> list[TileAddress]:
    """Return the tiles that touch ``region`` (y, x, h, w in µm), or all.

    Raises
    ------
    UsageError
        If the region holds none.
    """
    grid = translator.grid
    if region is None:
        return [TileAddress(0, row, col) for row, col in np.ndindex(grid.rows, grid.cols)]
    y, x, h, w = (side / grid.mpp for side in region)
    bounds = (math.floor(y), math.ceil(y + h), math.floor(x), math.ceil(x + w))
    wanted = [TileAddress(0, row, col) for row, col in grid.covering(*bounds)]
    if not wanted or h <= 0 or w <= 0:
        raise UsageError("The region (y, x, height, width in µm) does not touch the slide.")
    return wanted


def write_tiles(pyramid: OmeZarrPyramid, made: Mapping[TileAddress, Pixels | TileFailure]) -> None:
    """Write what was made; failed tiles are left to `hatch_tile`."""
    for address, tile in made.items():
        if not isinstance(tile, TileFailure):
            pyramid.write_tile(address.row, address.col, tile[..., :3])


def hatch_tile(pyramid: OmeZarrPyramid, place: tuple[int, int]) -> None:
    """Write the pattern of a failed tile."""
    side = pyramid.tile
    stripes = hatch(place[0] * side, place[1] * side, side, side)
    pyramid.write_tile(*place, np.ascontiguousarray(stripes[..., :3]))


def _translator(
    slide: Slide, model: Model, options: Options, folder: Path, cache: Path | None,
    notify: Callable[[str], None] | None,
) -> Translator:  # fmt: skip
    measured = _begun_with(folder, slide, model)
    return Translator(
        model, slide, device=options.device, backend=options.backend,
        precision=options.precision, statistics=options.statistics, tile=options.tile,
        cache=cache, measured=measured, notify=notify,
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
