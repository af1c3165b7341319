"""TIFF slides: Aperio SVS, Hamamatsu NDPI, OME-TIFF, pyramidal and plain TIFF, tile by tile."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_virtual_ihc.errors import SlideError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, quietly, reason
from napari_virtual_ihc.slides.readers.codestream import (
    from_ycbcr,
    jpeg2000_size,
    jpeg2000_subsampled,
    jpeg_size,
)
from napari_virtual_ihc.slides.readers.opened import Opened
from napari_virtual_ihc.slides.readers.openslide import open_openslide
from napari_virtual_ihc.slides.readers.tiff_pages import (
    first_page,
    level_pages,
    refuse_other_than_brightfield,
    vendor_of,
)
from napari_virtual_ihc.slides.readers.tiff_scale import tiff_mpp
from napari_virtual_ihc.slides.source import CACHE_BYTES, GLASS, ChunkSource, all_valid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels

RAW, JPEG, APERIO_YCBCR = 1, 7, 33003
_JPEG2000 = (33003, 33004, 33005, 34712)
_CODECS = (RAW, 5, JPEG, 8, 32773, 32946, 34925, 50000, 50001, *_JPEG2000)
_FOR_OPENSLIDE = ("ventana", "leica", "philips")
_LARGEST_BLOCK = 1 << 30
_RAW_TILE = (64, 512)
_STRIP_ROWS = 600
_LARGEST_CACHE = 256 << 20
_LEAST_PRESENT = 0.01
_UNFIT: tuple[type[Exception], ...] = (SlideError, *FOREIGN_ERRORS)


@dataclass(frozen=True)
class _Level:
    """One page as a grid of segments; a ``raw`` one is cut from one uncompressed strip."""

    page: Any
    shape: tuple[int, int]
    tile: tuple[int, int]
    raw: bool

    @property
    def grid(self) -> tuple[int, int]:
        return -(-self.shape[0] // self.tile[0]), -(-self.shape[1] // self.tile[1])

    @property
    def planes(self) -> int:
        return 1 if self.page.planarconfig == 1 else int(self.page.samplesperpixel)


class TiffSource(ChunkSource):
    """Levels of a TIFF, each segment read and decoded on its own.

    Parameters
    ----------
    path
        The file; it stays open.

    Raises
    ------
    SlideError
        If the file is not a TIFF slide, says something other than brightfield, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = tifffile.TiffFile(path)
        weakref.finalize(self, self._file.close)
        try:
            self.vendor = vendor_of(first_page(self._file.pages))
            pages = level_pages(self._file.pages, self.vendor)
            self.page = pages[0]
            refuse_other_than_brightfield(path.name, self.page, self.vendor)
            self._levels = [self._level(pages[0]), *filter(None, map(self._spare, pages[1:]))]
            self._refuse_empty()
        except BaseException:
            self._file.close()
            raise
        shapes = tuple(level.shape for level in self._levels)
        tiles = tuple(level.tile for level in self._levels)
        super().__init__(shapes, tiles, _cache_bytes(self._levels[0]))

    def __reduce__(self) -> tuple[object, ...]:
        """Reopen the file in another process."""
        return TiffSource, (self.path,)

    def decode(self, level: int, row: int, col: int) -> Pixels | None:
        """Return one tile or strip; None if its bytes are missing or cannot be decoded."""
        plan = self._levels[level]
        index = row * plan.grid[1] + col
        try:
            if plan.raw:
                return all_valid(self._raw(plan, row, col))
            step = plan.grid[0] * plan.grid[1]
            planes = [self._segment(plan, index + k * step) for k in range(min(plan.planes, 3))]
        except FOREIGN_ERRORS:
            return None
        pixels = planes[0] if plan.planes == 1 else np.concatenate(planes, axis=-1)
        return all_valid(np.ascontiguousarray(pixels[..., :3]))

    def _segment(self, plan: _Level, index: int) -> NDArray[np.uint8]:
        page = plan.page
        data = self._bytes(page.dataoffsets[index], page.databytecounts[index])
        if not data:
            return np.full((*plan.tile, 3 if plan.planes == 1 else 1), GLASS[0], np.uint8)
        _refuse_larger(data, page, plan.tile)
        tables = {}
        if page.compression == JPEG:
            tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        pixels: NDArray[np.uint8] = page.decode(data, index, **tables)[0][0]
        if page.compression == APERIO_YCBCR and not jpeg2000_subsampled(data):
            return from_ycbcr(pixels)
        return pixels

    def _raw(self, plan: _Level, row: int, col: int) -> NDArray[np.uint8]:
        (height, width), (th, tw) = plan.shape, plan.tile
        bands = int(plan.page.samplesperpixel)
        across = min(tw, width - col * tw) * bands
        lines = range(row * th, min((row + 1) * th, height))
        start = int(plan.page.dataoffsets[0]) + col * tw * bands
        data = b"".join(self._bytes(start + line * width * bands, across) for line in lines)
        pixels = np.frombuffer(data, np.uint8).reshape(len(lines), -1, bands)
        return np.ascontiguousarray(pixels[..., :3])

    def _bytes(self, offset: int, count: int) -> bytes:
        if offset == 0 or count == 0:
            return b""
        handle = self._file.filehandle
        if count < 0 or offset < 0 or offset + count > handle.size:
            raise ValueError("the segment lies beyond the end of the file")
        with handle.lock:
            handle.seek(offset)
            return bytes(handle.read(count))

    def _spare(self, page: Any) -> _Level | None:
        try:
            return self._level(page)
        except _UNFIT:
            return None

    def _level(self, page: Any) -> _Level:
        shape = int(page.imagelength), int(page.imagewidth)
        tile = int(page.chunks[0]), int(page.chunks[1])
        if page.planarconfig != 1:
            tile = int(page.chunks[-2]), int(page.chunks[-1])
        if min(*shape, *tile) < 1 or page.compression not in _CODECS or page.predictor > 2:
            raise SlideError(f"its pixels are stored in an unsupported way ({page.compression})")
        level = _Level(page, shape, tile, raw=False)
        if _is_one_raw_strip(page, shape):
            return _Level(page, shape, _RAW_TILE, raw=True)
        _refuse_unfit(level)
        page.init_decode()
        return level

    def _refuse_empty(self) -> None:
        plan, size = self._levels[0], self._file.filehandle.size
        if plan.raw:
            need = plan.shape[0] * plan.shape[1] * int(plan.page.samplesperpixel)
            present = (size - plan.page.dataoffsets[0]) / need
        else:
            ends = np.add(plan.page.dataoffsets, plan.page.databytecounts, dtype=np.float64)
            present = float(np.mean(ends <= size))
        if present < _LEAST_PRESENT:
            raise SlideError("its pixels lie beyond the end of the file; it was cut off")


def open_tiff(path: Path) -> Opened:
    """Open a TIFF slide from its metadata.

    Raises
    ------
    SlideError
        One sentence naming the file and what is wrong.
    """
    try:
        with quietly():
            if _declared(path) in _FOR_OPENSLIDE:
                return open_openslide(path)
            source = TiffSource(path)
            mpp = tiff_mpp(path.name, source.page, source.vendor)
    except SlideError as error:
        text = str(error)
        if path.name in text:
            raise
        raise type(error)(f"{path.name} cannot be read as a TIFF slide: {text}.") from error
    except FOREIGN_ERRORS as error:
        raise SlideError(f"{path.name} cannot be read as a TIFF slide: {reason(error)}.") from error
    return Opened(source, mpp, source.vendor)


def _cache_bytes(level: _Level) -> int:
    """Return room for a row of 512 px blocks, which full-width strips must not lose half-way."""
    rows = _STRIP_ROWS if level.tile[1] >= level.shape[1] else 0
    return min(max(rows * level.shape[1] * 3, CACHE_BYTES), _LARGEST_CACHE)


def _declared(path: Path) -> str:
    with tifffile.TiffFile(path) as file:
        return vendor_of(first_page(file.pages))


def _is_one_raw_strip(page: Any, shape: tuple[int, int]) -> bool:
    one = not page.is_tiled and page.planarconfig == 1 and len(page.dataoffsets) == 1
    return bool(one and page.compression == RAW and page.predictor == 1 and page.fillorder == 1)


def _refuse_unfit(level: _Level) -> None:
    rows, cols = level.grid
    need, have = rows * cols * level.planes, len(level.page.dataoffsets)
    if have < need or len(level.page.databytecounts) < need:
        raise SlideError(f"it lists {have} of {need} tiles")
    if level.tile[0] * level.tile[1] * 4 > _LARGEST_BLOCK:
        raise SlideError(
            f"it stores {level.tile[0]} by {level.tile[1]} px in one compressed block; "
            "convert it to a tiled TIFF"
        )


def _refuse_larger(data: bytes, page: Any, tile: tuple[int, int]) -> None:
    if page.compression in _JPEG2000:
        size = jpeg2000_size(data)
    elif page.compression == JPEG and page.jpegheader is None:
        size = jpeg_size(data)
    else:
        return
    if size is None or size[0] > tile[0] + 16 or size[1] > tile[1] + 16:
        raise ValueError("the tile claims another size than its page")
