"""What a slide is like at a glance: its identity, its glass, and whether it is brightfield."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.slides.pyramid import stored_levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels, TileSource

_WINDOW = 64
_SIDE = 4
_PATCHES = 12
_OVERVIEW_PIXELS = 8_000_000
_ENOUGH_PIXELS = 500_000
_DARK = 64
_LIT = 160


def fingerprint(source: TileSource) -> str:
    """Return 32 hexadecimal digits that name a slide's content.

    Hashed are the shapes of all levels and sixteen 64 px windows of level 0, decoded, at the
    centres of a 4 x 4 grid: positions follow from the geometry, never from path or time.
    """
    shapes = [list(shape) for shape in source.shapes]
    windows = [read for y, x in _grid(source.shapes[0], _SIDE) for read in _bytes(source, y, x)]
    return hash_of("slide/1", shapes, *windows)


def overview(source: TileSource) -> Pixels:
    """Return a small picture for colour statistics, without computing any level.

    The coarsest stored level if it has under 8 megapixels, thinned to half a megapixel by taking
    every n-th row and column; else a mosaic of 12 x 12 windows of 64 px spread over it. Colours
    are those of the slide; the mosaic's layout is not.
    """
    level = stored_levels(source) - 1
    height, width = source.shapes[level]
    if height * width <= _OVERVIEW_PIXELS:
        pixels, valid = source.read(level, 0, 0, height, width)
        step = math.ceil(math.sqrt(height * width / _ENOUGH_PIXELS))
        return np.ascontiguousarray(pixels[::step, ::step]), valid[::step, ::step].copy()
    return _mosaic(source, level)


def is_dark(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> bool:
    """Return whether the background is dark, as in fluorescence stored as RGB.

    Exact black is left out first: some scanners pad brightfield slides with it. Dark then means
    that half of the rest is under 64 in every channel and under 2 % has all channels over 160.
    """
    seen = pixels[valid]
    seen_any = seen.max(axis=-1) if len(seen) else np.zeros(0, np.uint8)
    if not len(seen_any):
        return False
    lit = seen[seen_any > 0]
    if len(lit) < 0.001 * len(seen):
        return True
    low, high = lit.min(axis=-1), lit.max(axis=-1)
    return bool(np.median(high) < _DARK and (low > _LIT).mean() < 0.02)


def _grid(shape: tuple[int, int], side: int) -> list[tuple[int, int]]:
    return [
        (max((2 * i + 1) * shape[0] // (2 * side) - _WINDOW // 2, 0),
         max((2 * j + 1) * shape[1] // (2 * side) - _WINDOW // 2, 0))
        for i in range(side) for j in range(side)
    ]  # fmt: skip


def _bytes(source: TileSource, y: int, x: int) -> tuple[bytes, bytes]:
    height, width = source.shapes[0]
    size = min(_WINDOW, height - y), min(_WINDOW, width - x)
    pixels, valid = source.read(0, y, x, *size)
    return pixels.tobytes(), np.packbits(valid).tobytes()


def _mosaic(source: TileSource, level: int) -> Pixels:
    height, width = source.shapes[level]
    places = [
        (y, x)
        for y, x in _grid((height, width), _PATCHES)
        if y + _WINDOW <= height and x + _WINDOW <= width
    ]
    if not places:
        return source.read(level, 0, 0, min(height, 2048), min(width, 2048))
    parts = [source.read(level, y, x, _WINDOW, _WINDOW) for y, x in places]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
