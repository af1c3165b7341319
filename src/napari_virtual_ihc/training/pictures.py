"""Pictures of training pairs: whole files or halves of them, decoded in one place."""

from __future__ import annotations

import io
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, reason

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Half = Literal["left", "right"]
_EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_REMEMBERED_BYTES = 1 << 30
_DAMAGE: tuple[type[Exception], ...] = (*FOREIGN_ERRORS, Image.DecompressionBombError)


@dataclass(frozen=True)
class Picture:
    """A picture file, or the half of one that shows H&E and IHC side by side.

    Attributes
    ----------
    path
        The file.
    half
        Which half of it is meant; all of it where None.
    """

    path: Path
    half: Half | None = None

    def __str__(self) -> str:
        """Return the file, and the half where it is one."""
        return f"{self.path} ({self.half} half)" if self.half else str(self.path)

    def read(self) -> NDArray[np.uint8]:
        """Return the pixels, (h, w, 3) uint8; raises as `decode`."""
        return self.part(decode(self.path))

    def part(self, whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what of the file's pixels ``whole``, (h, w, 3), is this picture."""
        middle = whole.shape[1] // 2
        if self.half is None:
            return whole
        return whole[:, :middle] if self.half == "left" else whole[:, -middle:]

    def size(self) -> tuple[int, int]:
        """Return height and width, from the file's header alone.

        Raises
        ------
        DataError
            If the file is damaged or not a picture.
        """
        width, height = size_of(self.path)
        return height, width if self.half is None else width // 2


@dataclass(frozen=True)
class Pair:
    """One H&E picture and its IHC counterpart.

    Attributes
    ----------
    name
        Common path without suffix, below the two folders.
    he, ihc
        The pictures.
    """

    name: str
    he: Picture
    ihc: Picture


def decode(path: Path, content: bytes | None = None) -> NDArray[np.uint8]:
    """Return the pixels of a picture file, (h, w, 3) uint8, all of them decoded.

    Parameters
    ----------
    content
        The file's bytes, where they were read already.

    Raises
    ------
    DataError
        If the file is damaged, not a picture, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as image:
            if image.mode in _EIGHT_BIT:
                return np.asarray(image.convert("RGB"))
            mode = image.mode
    except _DAMAGE as error:
        raise DataError(f"{path} cannot be read as a picture: {reason(error)}.") from error
    raise DataError(f"{path} has pixels of kind {mode}; pictures of 8 bits a channel are wanted.")


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a picture file; raises `DataError` where it is not one."""
    try:
        with Image.open(path) as image:
            return image.size
    except _DAMAGE as error:
        raise DataError(f"{path} cannot be read as a picture: {reason(error)}.") from error


class RecentPictures:
    """Decoded pictures by key, the least recently used forgotten beyond a number of bytes.

    Parameters
    ----------
    limit
        Bytes of pixels that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[object, NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: object) -> NDArray[np.uint8] | None:
        """Return what was kept for ``key``, if it still is."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def keep(self, key: object, pixels: NDArray[np.uint8]) -> None:
        """Keep ``pixels``, and forget others for it."""
        with self._lock:
            former = self._held.pop(key, None)
            self._bytes += pixels.nbytes - (0 if former is None else former.nbytes)
            self._held[key] = pixels
            while self._bytes > self._limit and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1].nbytes


_RECENT = RecentPictures(_REMEMBERED_BYTES)


def load_picture(picture: Picture, load_size: int | None = None) -> NDArray[np.uint8]:
    """Return a picture, (h, w, 3) uint8, resized (bicubic) to a square of a side where asked."""
    key = picture, load_size
    pixels = _RECENT.get(key)
    if pixels is None:
        pixels = _resized(picture.read(), load_size)
        _RECENT.keep(key, pixels)
    return pixels


def _resized(pixels: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    if side is None or pixels.shape[:2] == (side, side):
        return np.ascontiguousarray(pixels)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def load(pair: Pair, load_size: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return H&E and IHC of a pair, (h, w, 3) uint8, resized (bicubic) to a side where asked."""
    return load_picture(pair.he, load_size), load_picture(pair.ihc, load_size)
