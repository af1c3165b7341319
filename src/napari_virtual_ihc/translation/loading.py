"""From a block of tiles to the pixels a forward needs: which tiles are blank, which unreadable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.tissue import tissue_mask
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileFailure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Region, Slide
    from napari_virtual_ihc.translation.blocks import BlockPlan, Window

LEAST_TISSUE = 0.02
_MASK_UM = 2.0


@dataclass(frozen=True)
class Loaded:
    """What is known of a block before its forward.

    Attributes
    ----------
    done
        Tiles that need no forward: blank or unreadable.
    live
        Tiles to translate, with the validity of their pixels.
    core
        What the forward gives; None where no tile is live.
    pixels
        (core.h + 2m, core.w + 2m, 3) uint8 around the core.
    """

    done: dict[TileAddress, Pixels | TileFailure]
    live: dict[TileAddress, NDArray[np.bool_]]
    core: Window | None
    pixels: NDArray[np.uint8]


class BlockLoader:
    """Reads the blocks of one slide.

    Parameters
    ----------
    slide
        Read at the model's µm/px.
    plan
        Blocks and margins.
    background
        RGB of blank tiles (their alpha is 0).
    whole
        Whether the forward always covers the whole block (where its size changes its pixels).
    """

    def __init__(
        self, slide: Slide, plan: BlockPlan, background: tuple[int, int, int], *, whole: bool
    ) -> None:
        self._slide = slide
        self._plan = plan
        self._background = background
        self._whole = whole

    def load(self, tiles: Sequence[TileAddress]) -> Loaded:
        """Return the pixels of a block and what can be said without a forward."""
        block = self._plan.core(tiles).grown(self._plan.margin)
        region = self._region(block)
        done: dict[TileAddress, Pixels | TileFailure] = {}
        live: dict[TileAddress, NDArray[np.bool_]] = {}
        for address in tiles:
            inside = self._plan.box(address).inside(block)
            pixels, valid = region.pixels[inside], region.valid[inside]
            if not valid.any():
                done[address] = TileFailure("The slide cannot be read here.")
            elif self.is_blank(pixels, valid):
                done[address] = self._blank(address, valid)
            else:
                live[address] = valid
        if not live:
            return Loaded(done, live, None, region.pixels[:0])
        core = self._plan.core(tiles if self._whole else live)
        return Loaded(done, live, core, region.pixels[core.grown(self._plan.margin).inside(block)])

    def is_blank(self, pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bool:
        """Return whether under 2 % of a tile's readable pixels are tissue, pen marks excluded."""
        step = min(max(1, round(_MASK_UM / self._plan.grid.mpp)), *pixels.shape[:2])
        mask = tissue_mask(_mean(pixels, step), self._plan.grid.mpp * step, self._slide.background)
        return bool(mask.mean() < LEAST_TISSUE * valid.mean())

    def tile_alone(self, row: int, col: int) -> NDArray[np.uint8] | None:
        """Return a tile's own pixels, (tile, tile, 3), mirrored beyond the slide; None if blank."""
        side = self._plan.grid.tile
        box = self._plan.box(TileAddress(0, row, col))
        region = self._region(box._replace(h=side, w=side))
        pixels, valid = region.pixels[: box.h, : box.w], region.valid[: box.h, : box.w]
        return None if self.is_blank(pixels, valid) else region.pixels

    def finish(self, loaded: Loaded, image: NDArray[np.uint8]) -> dict[TileAddress, Pixels]:
        """Return the live tiles cut from the core's translated pixels, (h, w, 3)."""
        assert loaded.core is not None
        made = {}
        for address, valid in loaded.live.items():
            box = self._plan.box(address)
            made[address] = self._opaque(image[box.inside(loaded.core)], valid, box)
        return made

    def _region(self, window: Window) -> Region:
        mpp = self._plan.grid.mpp
        return self._slide.region(window.y * mpp, window.x * mpp, window.h, window.w, mpp)

    def _blank(self, address: TileAddress, valid: NDArray[np.bool_]) -> Pixels:
        box = self._plan.box(address)
        tile = self._opaque(np.broadcast_to(self._background, (box.h, box.w, 3)), valid, box)
        tile[..., 3] = 0
        return tile

    @staticmethod
    def _opaque(rgb: NDArray[np.generic], valid: NDArray[np.bool_], box: Window) -> Pixels:
        """Return RGBA; pixels the slide could not give are hatched and transparent."""
        tile = np.full((box.h, box.w, 4), 255, np.uint8)
        tile[..., :3] = rgb
        if not valid.all():
            tile[~valid] = hatch(*box)[~valid]
            tile[~valid, 3] = 0
        return tile


def _mean(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    if step == 1:
        return pixels
    rows, cols = pixels.shape[0] // step, pixels.shape[1] // step
    blocks = pixels[: rows * step, : cols * step].reshape(rows, step, cols, step, 3)
    small: NDArray[np.uint8] = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return small
