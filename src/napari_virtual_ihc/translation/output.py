"""An export as it lies on disk, in either format: provenance, pixels, what is known of tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tifffile

from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, reason
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
from napari_virtual_ihc.slides.stated import described
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.translation.plan import wanted_tiles
from napari_virtual_ihc.translation.record import Record

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.translation.calibration import Statistics


class Output:
    """A finished or unfinished export, in either format.

    Raises
    ------
    ExportError
        If it was not written by this package.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._pyramid: OmeZarrPyramid | None = None
        self._slide: Slide | None = None
        if path.is_dir():
            self._pyramid = OmeZarrPyramid.open(path)
            self.provenance = self._pyramid.attributes
        else:
            self.provenance = tiff_provenance(path)
            self._slide = open_slide(path)
        if "key" not in self.provenance:
            raise ExportError(f"{path.name} states no provenance and cannot be verified.")

    def statistics(self) -> Statistics | None:
        """Return the statistics kept beside the pixels."""
        if self._pyramid is None:
            return None
        return Record(self._pyramid.path).statistics(self.provenance)

    def failed(self) -> set[tuple[int, int]]:
        """Return the tiles known to have failed."""
        if self._pyramid is not None:
            return set(Record(self._pyramid.path).failures())
        listed = self.provenance.get("failed_tiles", [])
        places = [str(item).partition(":")[0].split(",") for item in listed]
        return {(int(row), int(col)) for row, col in places}

    def altered(self) -> tuple[str, ...]:
        """Return the tiles that differ from the checksums of the finished export."""
        pyramid = self._pyramid
        return () if pyramid is None else Record(pyramid.path).altered(pyramid)

    def unfinished(self) -> tuple[int, int] | None:
        """Return tiles made and tiles asked for of an export that was cut short; else None."""
        pyramid = self._pyramid
        if pyramid is None or Record(pyramid.path).sealed() is not None:
            return None
        grid = TileGrid(*pyramid.shapes[0], pyramid.tile, pyramid.mpp)
        wanted = wanted_tiles(grid, Record(pyramid.path).begun())
        return sum(pyramid.has_tile(tile.row, tile.col) for tile in wanted), len(wanted)

    def has(self, row: int, col: int) -> bool:
        """Return whether a tile was written."""
        return self._pyramid is None or self._pyramid.has_tile(row, col)

    def read(self, y: int, x: int, h: int, w: int) -> NDArray[np.uint8]:
        """Return pixels of level 0, (h, w, 3)."""
        if self._pyramid is not None:
            try:
                return self._pyramid.read(0, y, x, h, w)
            except FOREIGN_ERRORS as error:
                raise ExportError(f"{self.name} cannot be read: {reason(error)}.") from error
        assert self._slide is not None
        return self._slide.source.read(0, y, x, h, w)[0]


def tiff_provenance(path: Path) -> dict[str, Any]:
    """Return the provenance in an OME-TIFF's description, empty where there is none."""
    try:
        with tifffile.TiffFile(path) as tiff:
            text = tiff.ome_metadata or ""
    except (OSError, tifffile.TiffFileError, ValueError) as error:
        raise ExportError(f"{path.name} cannot be read: {error}.") from error
    return described(text)
