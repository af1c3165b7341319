"""One DICOM file of a slide: what its header says and where its frames lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pydicom

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.faults import plain
from napari_virtual_ihc.slides.readers.codestream import jpeg2000_size, jpeg_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_JPEG = ("1.2.840.10008.1.2.4.50",)
_JPEG2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_PLAIN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_FLUORESCENCE = "111741"
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


def read_header(path: Path) -> Any:
    """Return a file's data set without its pixels."""
    return pydicom.dcmread(path, stop_before_pixels=True)


def read_instance(path: Path, header: Any) -> Instance:
    """Return a VOLUME file as a grid of frames.

    Raises
    ------
    NotBrightfieldError
        If it holds something other than 8-bit brightfield RGB.
    SlideError
        If its frames are missing or stored in an unsupported way.
    """
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


def decoded(instance: Instance, data: bytes) -> NDArray[np.uint8]:
    """Return the RGB of one encoded frame; ValueError where it claims another size."""
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
