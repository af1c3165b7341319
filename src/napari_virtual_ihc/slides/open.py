"""Open a slide of any supported kind, judged by its content and not by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import SlideError
from napari_virtual_ihc.slides.faults import reason
from napari_virtual_ihc.slides.pyramid import with_pyramid
from napari_virtual_ihc.slides.readers import dicom, openslide
from napari_virtual_ihc.slides.readers.image import open_image
from napari_virtual_ihc.slides.readers.ome_zarr import open_zarr
from napari_virtual_ihc.slides.readers.tiff import open_tiff
from napari_virtual_ihc.slides.slide import Slide, contradiction

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_virtual_ihc.slides.readers.opened import Opened
    from napari_virtual_ihc.slides.source import TileSource

SUFFIXES = (
    ".svs", ".ndpi", ".tif", ".tiff", ".ome.tif", ".ome.tiff", ".ome.zarr", ".zarr", ".dcm",
    ".png", ".jpg", ".jpeg", *openslide.SUFFIXES,
)  # fmt: skip
"""Endings of the files that are looked at; the content then decides."""

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PICTURE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_LONGEST_SIDE = 1 << 22
_LARGEST_FLAT = 1 << 35
_ZARR_FILES = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


def open_slide(path: str | os.PathLike[str], mpp: float | None = None) -> Slide:
    """Open a slide lazily: only metadata is read.

    Parameters
    ----------
    path
        File or folder: Aperio SVS, Hamamatsu NDPI, OME-TIFF, pyramidal or plain TIFF, OME-Zarr
        0.4 and 0.5, DICOM whole-slide image, PNG, JPEG; with the ``slides`` extra also what
        OpenSlide reads.
    mpp
        µm per px of level 0. Overrides what the file states; a contradiction is noted.

    Raises
    ------
    NotBrightfieldError
        Where the file says that it holds something other than brightfield RGB.
    SlideError
        Where it is not a slide or is damaged.
    """
    path = Path(path)
    opened = _reader(path)(path)
    notes = opened.notes
    if mpp is not None:
        notes += contradiction(path.name, opened.mpp, mpp)
    _refuse_boundless(path.name, opened.source)
    source = with_pyramid(opened.source)
    scale = opened.mpp if mpp is None else mpp
    return Slide(path.name, source, scale, vendor=opened.vendor, notes=notes)


def can_open(path: str | os.PathLike[str]) -> bool:
    """Return whether a file or folder looks, from its first bytes, like a slide."""
    try:
        _reader(Path(path))
    except SlideError:
        return False
    return True


def _reader(path: Path) -> Callable[[Path], Opened]:
    try:
        if path.is_dir():
            return _folder_reader(path)
        with path.open("rb") as file:
            head = file.read(132)
    except FileNotFoundError as error:
        raise SlideError(f"{path.name} does not exist.") from error
    except (OSError, ValueError) as error:
        raise SlideError(f"{path.name} cannot be read: {reason(error)}.") from error
    return _file_reader(path, head)


def _folder_reader(path: Path) -> Callable[[Path], Opened]:
    if any((path / name).is_file() for name in _ZARR_FILES):
        return open_zarr
    if dicom.has_instances(path):
        return dicom.open_dicom
    raise SlideError(f"{path.name} is a folder with neither OME-Zarr nor DICOM in it.")


def _file_reader(path: Path, head: bytes) -> Callable[[Path], Opened]:
    if not head:
        raise SlideError(f"{path.name} is empty.")
    if head.startswith(_PICTURE_HEADS):
        return open_image
    if head[128:132] == b"DICM":
        return dicom.open_dicom
    special = path.suffix.lower() in openslide.SUFFIXES
    if head.startswith(_TIFF_HEADS) and not special:
        return open_tiff
    if special or openslide.detect(path):
        return openslide.open_openslide
    raise SlideError(f"{path.name} is not a slide of any supported kind.")


def _refuse_boundless(name: str, source: TileSource) -> None:
    height, width = source.shapes[0]
    flat = len(source.shapes) == 1 and height * width > _LARGEST_FLAT
    if flat or max(height, width) > _LONGEST_SIDE:
        raise SlideError(
            f"{name} states {height} by {width} px in {len(source.shapes)} level(s), more than "
            "can be read; it is damaged or needs a pyramid."
        )
