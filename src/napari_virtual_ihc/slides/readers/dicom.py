"""DICOM whole-slide images: the VOLUME instances of one slide, frame by frame."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, plain, quietly, reason
from napari_virtual_ihc.slides.readers.codestream import jpeg2000_size, jpeg_size
from napari_virtual_ihc.slides.readers.opened import Opened, isotropic
from napari_virtual_ihc.slides.source import GLASS, ChunkSource, all_valid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels

_WSI = "1.2.840.10008.5.1.4.1.1.77.1.6"
_JPEG = ("1.2.840.10008.1.2.4.50",)
_JPEG2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_PLAIN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_FLUORESCENCE = "111741"
_ASSOCIATED = ("LABEL", "OVERVIEW", "THUMBNAIL")
_LARGEST_FRAME = 1 << 28
_LEAST_PRESENT = 0.01


@dataclass(frozen=True)
class Instance:
    """One file of a pyramid: its header and where its frames are.

    ``frames`` maps a tile's row and column to its frame; absent tiles were not scanned.
    """

    path: Path
    header: Any
    shape: tuple[int, int]
    tile: tuple[int, int]
    frames: dict[tuple[int, int], int]
    starts: tuple[int, ...]
    end: int

    def bytes_of(self, frame: int) -> bytes:
        """Return the encoded frame, its fragments joined."""
        start = self.starts[frame]
        stop = self.starts[frame + 1] if frame + 1 < len(self.starts) else self.end
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(stop - start)
        if len(data) < stop - start:
            raise EOFError("the frame lies beyond the end of the file")
        return data if self.syntax in _PLAIN else _joined(data)

    @property
    def sparse(self) -> bool:
        """Whether tiles may be left out because nothing was scanned there."""
        return bool(self.header.get("DimensionOrganizationType") == "TILED_SPARSE")

    @property
    def syntax(self) -> str:
        """Transfer syntax, as its UID."""
        return str(self.header.file_meta.TransferSyntaxUID)


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
            pixels = _decoded(instance, instance.bytes_of(frame))
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
        return DicomSource(tuple(_instance(path, _header(path)) for path in paths))


def _pyramid(path: Path) -> tuple[Instance, ...]:
    folder = path if path.is_dir() else path.parent
    series = None if path.is_dir() else _series(_header(path), path)
    found = [(file, header) for file in sorted(folder.iterdir()) if (header := _volume(file))]
    found = [item for item in found if series in (None, item[1].get("SeriesInstanceUID"))]
    if not found:
        raise SlideError("it has no VOLUME image")
    found.sort(key=lambda item: -int(item[1].TotalPixelMatrixColumns))
    series = found[0][1].get("SeriesInstanceUID")
    same = [item for item in found if item[1].get("SeriesInstanceUID") == series]
    return _shrinking([_instance(*item) for item in same])


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
        header = _header(path)
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


def _header(path: Path) -> Any:
    return pydicom.dcmread(path, stop_before_pixels=True)


def _instance(path: Path, header: Any) -> Instance:
    _refuse_other_than_brightfield(header)
    shape = int(header.TotalPixelMatrixRows), int(header.TotalPixelMatrixColumns)
    tile = int(header.Rows), int(header.Columns)
    if min(*shape, *tile) < 1 or tile[0] * tile[1] * 3 > _LARGEST_FRAME:
        raise SlideError(f"it states frames of {tile} px in {shape} px")
    syntax = str(header.file_meta.TransferSyntaxUID)
    if syntax not in (*_JPEG, *_JPEG2000, *_PLAIN):
        raise SlideError(f"its transfer syntax {plain(syntax, 64)} is not supported")
    starts, end = _frame_starts(path, header, syntax)
    frames = {place: n for place, n in _places(header, shape, tile).items() if n < len(starts)}
    instance = Instance(path, header, shape, tile, frames, starts, end)
    need = -(-shape[0] // tile[0]) * -(-shape[1] // tile[1])
    if not frames or (not instance.sparse and len(frames) < _LEAST_PRESENT * need):
        raise SlideError(f"it has {len(frames)} of {need} frames")
    return instance


def _refuse_other_than_brightfield(header: Any) -> None:
    lights = [
        str(code.get("CodeValue", ""))
        for optics in header.get("OpticalPathSequence", [])
        for code in optics.get("IlluminationTypeCodeSequence", [])
    ]
    if int(header.SamplesPerPixel) != 3 or _FLUORESCENCE in lights:
        raise NotBrightfieldError("it holds fluorescence or single channels, not brightfield RGB")
    if int(header.BitsAllocated) != 8:
        raise NotBrightfieldError(f"it holds {header.BitsAllocated}-bit pixels, not 8-bit RGB")


def _places(
    header: Any, shape: tuple[int, int], tile: tuple[int, int]
) -> dict[tuple[int, int], int]:
    cols = -(-shape[1] // tile[1])
    if header.get("DimensionOrganizationType") == "TILED_SPARSE":
        return _sparse_places(header, tile)
    count = min(int(header.get("NumberOfFrames", 1)), cols * -(-shape[0] // tile[0]))
    return {divmod(frame, cols): frame for frame in range(count)}


def _sparse_places(header: Any, tile: tuple[int, int]) -> dict[tuple[int, int], int]:
    places: dict[tuple[int, int], int] = {}
    for frame, group in enumerate(header.PerFrameFunctionalGroupsSequence):
        at = group.PlanePositionSlideSequence[0]
        row = int(at.RowPositionInTotalImagePixelMatrix) - 1
        col = int(at.ColumnPositionInTotalImagePixelMatrix) - 1
        if row % tile[0] or col % tile[1]:
            raise SlideError("its frames do not lie on a grid")
        places.setdefault((row // tile[0], col // tile[1]), frame)
    return places


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


def _frame_starts(path: Path, header: Any, syntax: str) -> tuple[tuple[int, ...], int]:
    """Return where each frame begins in the file, and where the last one ends."""
    with path.open("rb") as file:
        pydicom.dcmread(file, stop_before_pixels=True)
        size = path.stat().st_size
        if syntax in _PLAIN:
            start = file.tell() + (8 if syntax == _PLAIN[0] else 12)
            step = int(header.Rows) * int(header.Columns) * 3
            count = min(int(header.get("NumberOfFrames", 1)), size // step + 1)
            return tuple(start + step * k for k in range(count)), start + step * count
        file.seek(12, 1)
        length = _item_length(file.read(8))
        table = file.read(length)
        first = file.tell()
        if "ExtendedOffsetTable" in header:
            offsets = np.frombuffer(header.ExtendedOffsetTable, "<u8")
        else:
            offsets = np.frombuffer(table, "<u4").astype(np.uint64)
        if len(offsets):
            return tuple(first + int(offset) for offset in offsets), size
        return _fragments(file, first, size)


def _fragments(file: Any, at: int, size: int) -> tuple[tuple[int, ...], int]:
    starts = []
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        if head[:4] != b"\xfe\xff\x00\xe0":
            break
        starts.append(at)
        at += 8 + _item_length(head)
    return tuple(starts), at


def _item_length(head: bytes) -> int:
    if head[:4] != b"\xfe\xff\x00\xe0":
        raise ValueError("its pixel data do not begin with an item")
    return int(struct.unpack("<I", head[4:])[0])


def _joined(data: bytes) -> bytes:
    parts, at = [], 0
    while at + 8 <= len(data) and data[at : at + 4] == b"\xfe\xff\x00\xe0":
        length = _item_length(data[at : at + 8])
        if at + 8 + length > len(data):
            raise EOFError("the frame is cut off")
        parts.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return b"".join(parts)


def _decoded(instance: Instance, data: bytes) -> NDArray[np.uint8]:
    tile = instance.tile
    colours = str(instance.header.PhotometricInterpretation)
    if instance.syntax in _PLAIN:
        return _plain(instance.header, np.frombuffer(data, np.uint8), tile)
    size = jpeg_size(data) if instance.syntax in _JPEG else jpeg2000_size(data)
    if size != tile:
        raise ValueError("the frame claims another size than its header")
    if instance.syntax in _JPEG:
        space = "RGB" if colours == "RGB" else "YCBCR"
        pixels = imagecodecs.jpeg_decode(data, colorspace=space, outcolorspace="RGB")
    else:
        pixels = imagecodecs.jpeg2k_decode(data)
    return np.ascontiguousarray(pixels.reshape(*tile, 3))


def _plain(header: Any, data: NDArray[np.uint8], tile: tuple[int, int]) -> NDArray[np.uint8]:
    if str(header.PhotometricInterpretation) != "RGB":
        raise ValueError("uncompressed frames that are not RGB")
    if int(header.get("PlanarConfiguration", 0)):
        return np.ascontiguousarray(data.reshape(3, *tile).transpose(1, 2, 0))
    return data.reshape(*tile, 3)
