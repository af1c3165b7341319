"""DICOM whole-slide images: the VOLUME instances of one slide, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.errors import InvalidDicomError

from napari_virtual_ihc.errors import SlideError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, quietly, reason
from napari_virtual_ihc.slides.readers.dicom_instance import (
    Instance,
    decoded,
    read_header,
    read_instance,
)
from napari_virtual_ihc.slides.readers.opened import Opened, isotropic
from napari_virtual_ihc.slides.source import GLASS, ChunkSource, all_valid

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.slides.source import Pixels

_WSI = "1.2.840.10008.5.1.4.1.1.77.1.6"
_ASSOCIATED = ("LABEL", "OVERVIEW", "THUMBNAIL")


class DicomSource(ChunkSource):
    """Levels of a DICOM pyramid, largest first.

    Parameters
    ----------
    instances
        The VOLUME instances of one series.
    """

    def __init__(self, instances: tuple[Instance, ...]) -> None:
        self.instances = instances
        super().__init__(tuple(i.shape for i in instances), tuple(i.tile for i in instances))

    def __reduce__(self) -> tuple[object, ...]:
        """Reopen the files in another process."""
        return _reopened, (tuple(i.path for i in self.instances),)

    def decode(self, level: int, row: int, col: int) -> Pixels | None:
        """Return one frame; glass where none was scanned, None where it is damaged."""
        instance = self.instances[level]
        frame = instance.frames.get((row, col))
        if frame is None and not instance.sparse:
            return None
        if frame is None:
            return all_valid(np.full((*instance.tile, 3), GLASS[0], np.uint8))
        try:
            pixels = decoded(instance, instance.bytes_of(frame))
        except FOREIGN_ERRORS:
            return None
        return all_valid(pixels)


def has_instances(folder: Path) -> bool:
    """Return whether a folder holds DICOM files."""
    return any(_is_dicom(path) for path in sorted(folder.iterdir()) if path.is_file())


def open_dicom(path: Path) -> Opened:
    """Open a DICOM slide: a folder, or one instance, whose series in its folder is then taken.

    Only headers are read. LABEL, OVERVIEW and THUMBNAIL images are passed over.

    Raises
    ------
    SlideError
        One sentence naming the file or folder and what is wrong.
    """
    try:
        with quietly():
            instances = _pyramid(path)
            spacing = _spacing(instances[0].header)
    except SlideError as error:
        raise type(error)(f"{path.name} cannot be read as a DICOM slide: {error}.") from error
    except (InvalidDicomError, *FOREIGN_ERRORS) as error:
        raise SlideError(
            f"{path.name} cannot be read as a DICOM slide: {reason(error)}."
        ) from error
    return Opened(DicomSource(instances), isotropic(path.name, *spacing), "dicom")


def _reopened(paths: tuple[Path, ...]) -> DicomSource:
    with quietly():
        return DicomSource(tuple(read_instance(path, read_header(path)) for path in paths))


def _pyramid(path: Path) -> tuple[Instance, ...]:
    folder = path if path.is_dir() else path.parent
    series = None if path.is_dir() else _series(read_header(path), path)
    found = [(file, header) for file in sorted(folder.iterdir()) if (header := _volume(file))]
    found = [item for item in found if series in (None, item[1].get("SeriesInstanceUID"))]
    if not found:
        raise SlideError("it has no VOLUME image")
    found.sort(key=lambda item: -int(item[1].TotalPixelMatrixColumns))
    series = found[0][1].get("SeriesInstanceUID")
    same = [item for item in found if item[1].get("SeriesInstanceUID") == series]
    return _shrinking([read_instance(*item) for item in same])


def _series(header: Any, path: Path) -> str | None:
    if not _is_volume(header):
        kinds = [kind for kind in _ASSOCIATED if kind in header.get("ImageType", [])]
        found = kinds[0] if kinds else "unknown"
        raise SlideError(f"its image type is {found}, not VOLUME; open its folder")
    return str(header.get("SeriesInstanceUID", path.name))


def _volume(path: Path) -> Any | None:
    if not path.is_file() or not _is_dicom(path):
        return None
    try:
        header = read_header(path)
    except (InvalidDicomError, *FOREIGN_ERRORS):
        return None
    return header if _is_volume(header) else None


def _is_volume(header: Any) -> bool:
    return header.get("SOPClassUID") == _WSI and "VOLUME" in header.get("ImageType", [])


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _spacing(header: Any) -> tuple[float | None, float | None]:
    groups = header.get("SharedFunctionalGroupsSequence") or []
    measures = groups[0].get("PixelMeasuresSequence") if groups else None
    spacing = measures[0].get("PixelSpacing") if measures else None
    if not spacing:
        return None, None
    return float(spacing[1]) * 1000, float(spacing[0]) * 1000


def _shrinking(instances: list[Instance]) -> tuple[Instance, ...]:
    kept = instances[:1]
    for instance in instances[1:]:
        if all(s < k for s, k in zip(instance.shape, kept[-1].shape, strict=True)):
            kept.append(instance)
    return tuple(kept)
