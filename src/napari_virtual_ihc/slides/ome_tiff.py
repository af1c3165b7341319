"""Pyramidal OME-TIFF from a finished pyramid, written once and then renamed into place."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import tifffile

from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.slides.faults import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

_SOFTWARE = "napari-virtual-ihc"
_CENTIMETRE = 1e4


def write_ome_tiff(
    path: str | os.PathLike[str],
    pyramid: OmeZarrPyramid,
    attributes: dict[str, Any],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a pyramid as tiled, lossless (deflate) BigTIFF with SubIFDs and OME-XML.

    The same pyramid and attributes give the same bytes.
    The tags are those of the pixels, the scale, this program's name and the OME description,
    which holds ``attributes`` as JSON. Nothing is copied from any source file.

    Parameters
    ----------
    path
        The file; one that is there is replaced once the new one is whole.
    pyramid
        A pyramid whose levels are built.
    attributes
        Provenance, JSON values, naming no patient and no file.
    progress
        Called with tiles done and tiles in all.

    Raises
    ------
    ExportError
        If the disk is full or read-only; no partial file is left.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            _write(temporary, pyramid, attributes, progress)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except (OSError, struct.error) as error:
        raise ExportError(f"{path.name} cannot be written: {reason(error)}.") from error


def _write(
    file: str,
    pyramid: OmeZarrPyramid,
    attributes: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> None:
    side = _tile_side(pyramid)
    count = _Count(sum(rows * cols for rows, cols in _grids(pyramid, side)), progress)
    with tifffile.TiffWriter(file, bigtiff=True, ome=True) as tiff:
        for level, shape in enumerate(pyramid.shapes):
            per_cm = _CENTIMETRE / (pyramid.mpp * 2**level)
            tiff.write(
                _tiles(pyramid, level, side, count),
                shape=(*shape, 3),
                dtype="uint8",
                tile=(side, side),
                photometric="rgb",
                compression="adobe_deflate",
                predictor=True,
                subifds=len(pyramid.shapes) - 1 if level == 0 else None,
                subfiletype=0 if level == 0 else 1,
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                software=_SOFTWARE,
                metadata=_metadata(pyramid.mpp, attributes) if level == 0 else None,
            )


def _metadata(mpp: float, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "axes": "YXS",
        "Name": "virtual stain",
        "UUID": f"urn:uuid:{UUID(hash_of(mpp, attributes))}",
        "Description": json.dumps(attributes, sort_keys=True, allow_nan=False),
        "PhysicalSizeX": mpp,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": mpp,
        "PhysicalSizeYUnit": "µm",
    }


class _Count:
    """Tiles written so far, told to whoever asked."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def step(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _tiles(
    pyramid: OmeZarrPyramid, level: int, side: int, count: _Count
) -> Iterator[NDArray[np.uint8]]:
    rows, cols = _grids(pyramid, side)[level]
    for row, col in np.ndindex(rows, cols):
        tile = pyramid.read(level, row * side, col * side, side, side)
        short = side - tile.shape[0], side - tile.shape[1]
        count.step()
        yield np.pad(tile, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge")


def _grids(pyramid: OmeZarrPyramid, side: int) -> list[tuple[int, int]]:
    return [(-(-height // side), -(-width // side)) for height, width in pyramid.shapes]


def _tile_side(pyramid: OmeZarrPyramid) -> int:
    """Return the pyramid's own tile side where TIFF allows it (multiples of 16)."""
    return pyramid.tile if pyramid.tile % 16 == 0 else 512
