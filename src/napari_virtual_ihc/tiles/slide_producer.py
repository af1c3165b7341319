"""The real H&E as tiles: every level of the slide's own grid, read on a worker thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.producer import TileByTile
from napari_virtual_ihc.tiles.shapes import level_shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress

_ALGORITHM = "slide-tiles/1"
_UNIT_SCALE = 1.0


class SlideProducer(TileByTile):
    """Tiles of a slide at 2**n times its level 0's µm/px; unreadable pixels are hatched.

    What lies off a slide that was laid onto another is clear. The slide's fingerprint is read, so
    create it off the GUI thread. A slide of unknown scale is shown at 1 µm/px.

    Parameters
    ----------
    slide
        Read through its levels.
    tile
        Side of a tile in pixels.
    persist
        Whether to keep the tiles on disk too: pays only where decoding is slow.
    """

    def __init__(self, slide: Slide, *, tile: int = 512, persist: bool = False) -> None:
        self._slide = slide if slide.mpp is not None else slide.with_mpp(_UNIT_SCALE)
        height, width = slide.shape
        self.grid = TileGrid(height, width, tile, self._slide.require_mpp())
        self.levels = len(level_shapes(height, width))
        self.persist = persist
        self.label = slide.name
        self.key = hash_of(_ALGORITHM, slide.fingerprint, tile)

    def tile(self, address: TileAddress, cancelled: Callable[[], bool]) -> Pixels:
        """Return an RGBA tile, opaque inside the slide."""
        grid = self.grid.level(address.level)
        return self._region(*grid.box(address.row, address.col), grid.mpp)

    def overview(self) -> Pixels:
        """Return the coarsest level, uint8 RGBA, for the pyramid; not on the GUI thread."""
        grid = self.grid.level(self.levels - 1)
        return self._region(0, 0, grid.height, grid.width, grid.mpp)

    def _region(self, y: int, x: int, height: int, width: int, mpp: float) -> Pixels:
        region = self._slide.region(y * mpp, x * mpp, height, width, mpp)
        pixels = np.empty((height, width, 4), np.uint8)
        pixels[..., :3], pixels[..., 3] = region.pixels, 255
        if not region.valid.all():
            absent = self._slide.absent(y * mpp, x * mpp, height, width, mpp)
            unreadable = ~(region.valid | absent)
            pixels[unreadable] = hatch(y, x, height, width)[unreadable]
            pixels[absent & ~region.valid, 3] = 0
        return pixels
