"""One region at full quality: its tiles asked for, awaited and put together; no Qt in here."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from skimage.draw import polygon2mask

from napari_virtual_ihc.errors import VirtualIhcError
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.widgets.translate.region_numbers import RegionNumbers, measure_region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import TileProducer
    from napari_virtual_ihc.tiles.service import TileService
    from napari_virtual_ihc.widgets.camera import Box

MOST_PIXELS = 64_000_000


@dataclass(frozen=True)
class RegionPicture:
    """A finished region.

    Attributes
    ----------
    pixels
        YX4 uint8 RGBA at ``mpp`` µm/px, clear outside the outline.
    top, left
        World position of its corner, µm.
    numbers
        What was measured inside the outline, None where it holds no tissue.
    failed
        Tiles that could not be made; they are hatched and not measured.
    """

    name: str
    pixels: NDArray[np.uint8]
    mpp: float
    top: float
    left: float
    numbers: RegionNumbers | None
    failed: int


class RegionJob:
    """The tiles of one rectangle of a virtual slide.

    Parameters
    ----------
    name
        Such as ``"Region 3"``.
    producer, service, cache
        Who makes the tiles, who asks for them, where they are kept.
    box
        Rectangle in µm; what lies off the slide is cut away.
    outline
        Corners (n, 2) of a polygon in µm, (y, x), inside which the region lies; None for all of it.

    Raises
    ------
    VirtualIhcError
        If nothing of the rectangle is on the slide, or it is too large to be a layer.
    """

    def __init__(
        self,
        name: str,
        producer: TileProducer,
        service: TileService,
        cache: TileCache,
        box: Box,
        outline: NDArray[np.floating] | None = None,
    ) -> None:
        grid = producer.grid
        self.name = name
        self.client = f"region-{uuid.uuid4().hex}"
        self._producer, self._service, self._cache = producer, service, cache
        self._outline = outline
        self.top = max(int(np.floor(box.top / grid.mpp)), 0)
        self.left = max(int(np.floor(box.left / grid.mpp)), 0)
        self.height = min(int(np.ceil(box.bottom / grid.mpp)), grid.height) - self.top
        self.width = min(int(np.ceil(box.right / grid.mpp)), grid.width) - self.left
        if self.height < 1 or self.width < 1:
            raise VirtualIhcError(f"{name} lies off the slide; draw it on the tissue.")
        if self.height * self.width > MOST_PIXELS:
            side = int(MOST_PIXELS**0.5 * grid.mpp)
            raise VirtualIhcError(
                f"{name} is too large to be a layer (over {side} × {side} µm); use Export instead."
            )

    def start(self) -> None:
        """Ask for the tiles, before anything else the service has to do."""
        y, x = self.top + self.height / 2, self.left + self.width / 2
        self._service.request(self.client, self._producer, self.addresses(), centre=(y, x))

    def close(self) -> None:
        """Want the tiles no more."""
        self._service.drop(self.client)

    def progress(self) -> tuple[int, int]:
        """Return how many tiles are done and how many there are."""
        total = len(list(self.addresses()))
        now = self._service.progress(self.client)
        return total - (now.wanted - now.done), total

    def addresses(self) -> Iterator[TileAddress]:
        """Yield the tiles that the region touches."""
        bottom, right = self.top + self.height, self.left + self.width
        for row, col in self._producer.grid.covering(self.top, bottom, self.left, right):
            yield TileAddress(0, row, col)

    def picture(self) -> RegionPicture:
        """Put the tiles together and measure them; reads the cache, so not in the window."""
        pixels, made, failed = self._assemble()
        inside = self._mask()
        pixels[~inside] = 0
        mpp = self._producer.grid.mpp
        tissue = inside & made & (pixels[..., 3] > 0)
        numbers = measure_region(self.name, pixels[..., :3], tissue, mpp)
        top, left = self.top * mpp, self.left * mpp
        return RegionPicture(self.name, pixels, mpp, top, left, numbers, failed)

    def _assemble(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_], int]:
        pixels = np.zeros((self.height, self.width, 4), np.uint8)
        made = np.ones((self.height, self.width), np.bool_)
        failed = 0
        for address in self.addresses():
            y, x, h, w = self._producer.grid.box(address.row, address.col)
            tile = self._cache.get(tile_key(self._producer.key, address))
            rows = slice(max(y - self.top, 0), min(y + h - self.top, self.height))
            cols = slice(max(x - self.left, 0), min(x + w - self.left, self.width))
            if tile is None:
                failed += 1
                made[rows, cols] = False
                tile = hatch(y, x, h, w)
            part = tile[rows.start + self.top - y :, cols.start + self.left - x :]
            pixels[rows, cols] = part[: rows.stop - rows.start, : cols.stop - cols.start]
        return pixels, made, failed

    def _mask(self) -> NDArray[np.bool_]:
        if self._outline is None:
            return np.ones((self.height, self.width), np.bool_)
        corners = self._outline / self._producer.grid.mpp - (self.top + 0.5, self.left + 0.5)
        mask: NDArray[np.bool_] = polygon2mask((self.height, self.width), corners)
        return mask
