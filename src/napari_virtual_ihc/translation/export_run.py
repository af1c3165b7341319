"""One run over the tiles of an export that are missing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.producer import TileFailure
from napari_virtual_ihc.translation.pipeline import Pipeline
from napari_virtual_ihc.translation.plan import wanted_tiles
from napari_virtual_ihc.translation.record import Record, digest_of, read_failures
from napari_virtual_ihc.translation.report import Tally, TranslationReport
from napari_virtual_ihc.translation.seams import measured_seam

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress
    from napari_virtual_ihc.translation.cluster import Cluster
    from napari_virtual_ihc.translation.plan import Box
    from napari_virtual_ihc.translation.translator import Translator

    Progress = Callable[[int, int], None]


class ExportRun:
    """Makes the tiles that are missing, here or on a cluster, and counts them.

    Parameters
    ----------
    translator
        Prepared.
    pyramid
        Where tiles go; those that are there, and did not fail, stay.
    region
        (y, x, h, w) in µm, or None for the whole slide.
    """

    def __init__(self, translator: Translator, pyramid: OmeZarrPyramid, region: Box | None) -> None:
        self._translator = translator
        self._pyramid = pyramid
        self._record = Record(pyramid.path)
        self._failed = read_failures(pyramid.path)
        self._tally = Tally()
        self._forward_seconds: float | None = None
        self._workers = 1
        self._seam: float | None = None
        self._altered = self._record.altered(pyramid)
        for place in self._altered:
            pyramid.drop_tile(*map(int, place.split("/")))
        wanted = wanted_tiles(translator.grid, region)
        missing = {tile for tile in wanted if self._lacks(tile)}
        self._blocks = [
            tuple(tile for tile in block if tile in missing)
            for block in translator.plan.blocks(sorted(missing))
        ]
        self._wanted, self._missing = len(wanted), len(missing)
        if missing:
            self._record.open_again(region)

    def here(
        self, progress: Progress, cancelled: Callable[[], bool], stepping: Progress
    ) -> None:  # fmt: skip
        """Make the missing tiles in this process."""

        def asked() -> bool:
            if (steps := self._translator.steps()) is not None:
                stepping(*steps)
            return cancelled()

        pipeline = Pipeline(self._translator, partial(write_tiles, self._pyramid))
        for made in pipeline.run(self._blocks, asked):
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

    def finish(self) -> dict[str, Any]:
        """Build what hangs on the tiles, coarser levels and checksums; return the provenance."""
        provenance = self._translator.provenance() | {"failed_tiles": self._failures()}
        sums = self._record.sealed()
        if self._missing or self._altered or sums is None:
            self._pyramid.build_levels()
            sums = self._record.seal(self._pyramid)
        self._seam = self._measure_seam()
        return provenance | {"pixels": digest_of(sums), "seam": self._seam}

    def _measure_seam(self) -> float | None:
        """Return the seam figure where tiles do not fit exactly; None where they do."""
        translator = self._translator
        if translator.facts.exact and translator.mode in ("slide", "none"):
            return None
        return measured_seam(self._pyramid, translator.plan.group)

    def report(self, calibration: float, seconds: float) -> TranslationReport:
        """Return what came of it; both times in seconds."""
        translator, tally = self._translator, self._tally
        grid, failures = translator.grid, self._failures()
        return TranslationReport(
            model=translator.model.card.name, out=self._pyramid.path.name, tiles=self._wanted,
            failed_tiles=len(failures), blank_tiles=tally.blank,
            incomplete_tiles=len(tally.incomplete), resumed_tiles=self._wanted - self._missing,
            seconds=round(seconds, 3), calibration_seconds=round(calibration, 3),
            forward_seconds=self._forward_seconds,
            megapixels_per_second=tally.translated_px / 1e6 / seconds, um_per_px=grid.mpp,
            height=grid.height, width=grid.width, runs_on=translator.runs_on,
            statistics=translator.mode, tiling=translator.model.card.tiling,
            workers=self._workers, sampling=translator.sampled(), seam=self._seam,
            failures=tuple(failures),
            incomplete=tuple(f"{row}, {col}" for row, col in sorted(tally.incomplete)),
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
