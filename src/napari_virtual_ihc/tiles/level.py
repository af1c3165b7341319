"""One level of a pyramid as the duck array that napari indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.errors import CacheError
from napari_virtual_ihc.tiles.shapes import chunks
from napari_virtual_ihc.tiles.window import parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.pyramid import TilePyramid

_MOST_PX = 1 << 26


class TileLevel:
    """One level: (h, w, 4) uint8 RGBA for whoever indexes it; see `TilePyramid`."""

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, pyramid: TilePyramid, level: int, shape: tuple[int, int]) -> None:
        self._pyramid = pyramid
        self.level = level
        self.shape = (*shape, 4)
        tile = pyramid.producer.grid.tile
        self.chunks = (chunks(shape[0], tile), chunks(shape[1], tile), (4,))

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1] * 4

    def __getitem__(self, index: object) -> NDArray[np.uint8]:
        """Return what is in memory now, missing tiles clear, and ask the service for those."""
        return self._pyramid.paste(self.level, parse(index, self.shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole level as it is in memory now.

        Raises
        ------
        CacheError
            If the level has over 2**26 pixels.
        """
        if self.size > 4 * _MOST_PX:
            raise CacheError(
                f"Level {self.level} of {self._pyramid.producer.label} has {self.shape[0]} × "
                f"{self.shape[1]} px, too many to be read at once; take a part of it."
            )
        return self[...].astype(dtype or np.uint8, copy=False)
