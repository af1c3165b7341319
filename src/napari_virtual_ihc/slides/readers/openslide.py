"""What tifffile cannot read (MIRAX, Leica SCN, Ventana BIF), through OpenSlide if installed."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import SlideError
from napari_virtual_ihc.slides.faults import FOREIGN_ERRORS, reason
from napari_virtual_ihc.slides.readers.opened import Opened, isotropic
from napari_virtual_ihc.slides.source import GLASS, ChunkSource, scales_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.slides.source import Pixels

SUFFIXES = (".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".czi")
_TILE = 512


def available() -> bool:
    """Return whether the ``slides`` extra is installed."""
    return _library() is not None


def detect(path: Path) -> str | None:
    """Return the vendor OpenSlide sees in a file, None if it sees none or is not installed."""
    library = _library()
    if library is None:
        return None
    try:
        found: str | None = library.OpenSlide.detect_format(path)
    except (library.OpenSlideError, *FOREIGN_ERRORS):
        return None
    return found


class OpenSlideSource(ChunkSource):
    """Levels of a slide read by OpenSlide; where nothing was scanned there is glass.

    Parameters
    ----------
    path
        The slide file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._handle = self._opened()
        sizes = tuple((h, w) for w, h in self._handle.level_dimensions)
        self._scales = scales_of(sizes)
        super().__init__(sizes, ((_TILE, _TILE),) * len(sizes))

    def __reduce__(self) -> tuple[object, ...]:
        """Reopen the file in another process."""
        return OpenSlideSource, (self.path,)

    @property
    def properties(self) -> dict[str, str]:
        """What OpenSlide says of the slide."""
        return dict(self._handle.properties)

    def decode(self, level: int, row: int, col: int) -> Pixels | None:
        """Return one block; None if it cannot be decoded, after which the file is reopened."""
        height, width = self.shapes[level]
        y, x = row * _TILE, col * _TILE
        size = min(_TILE, width - x), min(_TILE, height - y)
        corner = round(x * self._scales[level]), round(y * self._scales[level])
        with self._lock:
            try:
                picture = self._handle.read_region(corner, level, size)
            except (_need().OpenSlideError, *FOREIGN_ERRORS):
                self._reopen()
                return None
        return _over_glass(np.asarray(picture))

    def _reopen(self) -> None:
        """Replace the handle, which refuses all further reads after an error."""
        self._handle.close()
        self._handle = self._opened()

    def _opened(self) -> Any:
        return _need().OpenSlide(self.path)


def open_openslide(path: Path) -> Opened:
    """Open a slide through OpenSlide, from its metadata.

    Raises
    ------
    SlideError
        If OpenSlide is not installed or cannot read the file.
    """
    library = _library()
    if library is None:
        raise SlideError(
            f"{path.name} needs OpenSlide; install it with "
            "pip install 'napari-virtual-ihc[slides]'."
        )
    try:
        source = OpenSlideSource(path)
    except (library.OpenSlideError, *FOREIGN_ERRORS) as error:
        raise SlideError(f"{path.name} cannot be read as a slide: {reason(error)}.") from error
    known = source.properties
    x, y = (_number(known.get(f"openslide.mpp-{axis}")) for axis in "xy")
    return Opened(source, isotropic(path.name, x, y), known.get("openslide.vendor", "openslide"))


def _over_glass(rgba: np.ndarray[Any, np.dtype[np.uint8]]) -> Pixels:
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = rgba[..., :3] * alpha + np.uint16(GLASS[0]) * (255 - alpha)
    pixels = ((mixed + 127) // 255).astype(np.uint8)
    return pixels, np.ones(pixels.shape[:2], np.bool_)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _library() -> Any | None:
    try:
        return importlib.import_module("openslide")
    except (ImportError, OSError):
        return None


def _need() -> Any:
    return importlib.import_module("openslide")
