"""PNG and JPEG pictures: decoded whole, once, when first looked at."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, quietly, reason
from napari_virtual_ihc.slides.readers.opened import Opened, from_dpi
from napari_virtual_ihc.slides.source import GLASS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels

LARGEST = 178_956_970
"""Pixels of the largest picture opened, Pillow's own limit: half a gigabyte of RGB."""

_TILE = 512
_FAULTS: tuple[type[Exception], ...] = (Image.DecompressionBombError, *FOREIGN_ERRORS)
_MODES = ("RGB", "RGBA", "RGBX")


class ImageSource:
    """One level held in memory from the first read on.

    Parameters
    ----------
    path
        A PNG or JPEG file.
    shape
        Height and width in px, from its header.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.path = path
        self.shapes = (shape,)
        self.tile_shapes = ((_TILE, _TILE),)
        self._pixels: NDArray[np.uint8] | None = None
        self._tried = False
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        """Reopen the file in another process."""
        return ImageSource, (self.path, self.shapes[0])

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        """Return a window; all invalid where the file cannot be decoded."""
        whole = self._whole()
        if whole is None:
            return np.full((h, w, 3), GLASS[level], np.uint8), np.zeros((h, w), np.bool_)
        return whole[y : y + h, x : x + w].copy(), np.ones((h, w), np.bool_)

    def _whole(self) -> NDArray[np.uint8] | None:
        with self._lock:
            if not self._tried:
                self._pixels = self._decoded()
                self._tried = True
            return self._pixels

    def _decoded(self) -> NDArray[np.uint8] | None:
        try:
            with quietly(), Image.open(self.path, formats=("PNG", "JPEG")) as image:
                pixels = np.asarray(image.convert("RGB"))
        except _FAULTS:
            return None
        return pixels if pixels.shape[:2] == self.shapes[0] else None


def open_image(path: Path) -> Opened:
    """Open a PNG or JPEG picture from its header.

    Raises
    ------
    SlideError
        If it is not one, is not 8-bit RGB, or holds over 178 megapixels.
    """
    name = path.name
    try:
        with quietly(), Image.open(path, formats=("PNG", "JPEG")) as image:
            mode, (width, height) = image.mode, image.size
            dpi = image.info.get("dpi", (0.0, 0.0))
    except Image.DecompressionBombError as error:
        raise SlideError(
            f"{name} is too large for a PNG or JPEG (over {LARGEST // 10**6} megapixels); "
            "convert it to a tiled TIFF or OME-Zarr."
        ) from error
    except FOREIGN_ERRORS as error:
        raise SlideError(f"{name} cannot be read as a picture: {reason(error)}.") from error
    if mode not in _MODES:
        raise NotBrightfieldError(
            f"{name} holds a picture of mode {mode}, not brightfield RGB; only brightfield "
            "slides can be opened."
        )
    source = ImageSource(path, (height, width))
    return Opened(source, from_dpi(name, float(dpi[0]), float(dpi[1])), "picture")
