"""Tiles in memory pasted into one block: no reading, no computing, no waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.hatch import hatch
from napari_virtual_ihc.tiles.producer import TileAddress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.producer import Pixels, TileProducer
    from napari_virtual_ihc.tiles.window import Window

Box = tuple[int, int, int, int]
_COARSER_BY = 3


def paste(
    producer: TileProducer, cache: TileCache, level: int, window: Window, overview: Pixels
) -> tuple[Pixels, list[TileAddress]]:
    """Return a window of a level as it is in memory, and the tiles that are not final there.

    Parameters
    ----------
    overview
        The coarsest level, RGBA; with coarser tiles it stands in for missing tiles of producers
        that make several levels themselves. For others a missing tile is clear.

    Returns
    -------
    tuple
        uint8 (rows, cols, 4), and the addresses still to be asked for.
    """
    block = np.zeros((len(window.rows), len(window.cols), 4), np.uint8)
    grid, missing = producer.grid.level(level), []
    for row, col in _covered(producer, level, window):
        address = TileAddress(level, row, col)
        key = tile_key(producer.key, address)
        pixels = cache.get_memory(key)
        if pixels is None:
            missing.append(address)
            pixels = cache.get_provisional(key)
        if pixels is None and level < producer.levels > 1:
            pixels = _stand_in(producer, cache, address, overview)
        if pixels is not None:
            _put(block, window, grid.box(row, col), pixels)
    return block, missing


def hatch_failed(
    block: Pixels,
    producer: TileProducer,
    level: int,
    window: Window,
    failed: Mapping[TileAddress, str],
) -> None:
    """Draw the hatch over every failed tile of a pasted window."""
    native = min(level, producer.levels - 1)
    up = level - native
    if not failed:
        return
    for place in _affected(producer, native, up, window, failed):
        y, x, height, width = producer.grid.level(native).box(place.row, place.col)
        box = y >> up, x >> up, -(-height >> up), -(-width >> up)
        _put(block, window, box, hatch(*box))


def _affected(
    producer: TileProducer,
    native: int,
    up: int,
    window: Window,
    failed: Mapping[TileAddress, str],
) -> Iterator[TileAddress]:
    rows, cols = window.rows, window.cols
    area = (rows.stop - rows.start) * (cols.stop - cols.start) << (2 * up)
    if area // producer.grid.tile**2 > len(failed):
        yield from (address for address in failed if address.level == native)
        return
    for row, col in _covered(producer, native, window, up):
        if (address := TileAddress(native, row, col)) in failed:
            yield address


def _covered(
    producer: TileProducer, level: int, window: Window, up: int = 0
) -> Iterator[tuple[int, int]]:
    rows, cols = window.rows, window.cols
    edges = (rows.start, rows.stop, cols.start, cols.stop)
    y0, y1, x0, x1 = (edge << up for edge in edges)
    return producer.grid.level(level).covering(y0, y1, x0, x1)


def _put(block: Pixels, window: Window, box: Box, pixels: Pixels) -> None:
    y, x, height, width = box
    rows, from_rows = window.rows.inside(y, y + height)
    cols, from_cols = window.cols.inside(x, x + width)
    _packed(block)[rows, cols] = _packed(pixels)[from_rows, from_cols]


def _stand_in(
    producer: TileProducer, cache: TileCache, address: TileAddress, overview: Pixels
) -> Pixels:
    top = _overview_level(producer, overview)
    for up in range(1, min(_COARSER_BY, producer.levels - 1 - address.level) + 1):
        coarse = address.ancestor(up)
        pixels = cache.get_memory(tile_key(producer.key, coarse))
        if pixels is not None:
            y, x, _, _ = producer.grid.level(coarse.level).box(coarse.row, coarse.col)
            return _enlarged(producer, address, up, pixels, (y, x))
    return _enlarged(producer, address, top - address.level, overview, (0, 0))


def _overview_level(producer: TileProducer, overview: Pixels) -> int:
    grid, level = producer.grid, 0
    while (
        grid.level(level).height > overview.shape[0] or grid.level(level).width > overview.shape[1]
    ):
        level += 1
    return level


def _enlarged(
    producer: TileProducer,
    address: TileAddress,
    up: int,
    coarse: Pixels,
    corner: tuple[int, int],
) -> Pixels:
    y, x, height, width = producer.grid.level(address.level).box(address.row, address.col)
    rows = (np.arange(y, y + height) >> up) - corner[0]
    cols = (np.arange(x, x + width) >> up) - corner[1]
    few = _packed(coarse)[rows[0] : rows[-1] + 1].take(cols, axis=1)
    large: Pixels = few.take(rows - rows[0], axis=0)[..., None].view(np.uint8)
    return large


def _packed(pixels: Pixels) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    packed: np.ndarray[tuple[int, int], np.dtype[np.uint32]] = pixels.view(np.uint32)[..., 0]
    return packed
