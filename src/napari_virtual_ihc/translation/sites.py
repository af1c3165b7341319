"""Where a slide is sampled for its statistics: by geometry, where there is tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.tissue import tissue_mask
from napari_virtual_ihc.translation.blocks import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide

SITES = 32
SITE_PX = 192
MARGIN_PX = 32
_OVERVIEW_PX = 2048
_FRACTIONS = (0.5, 0.25, 0.1, 0.02)
_PLASTIC = 1.324717957244746
_MOSTLY = 0.5
_FEW, _MANY = 4096, 1_000_000


def read_sites(slide: Slide, mpp: float) -> list[NDArray[np.uint8]]:
    """Return up to `SITES` windows of tissue spread over the slide.

    Returns
    -------
    (3, S, S) uint8 with S = SITE_PX + 2 MARGIN_PX, at ``mpp``; wholly readable, or, where no such
    window is, those of which half is; empty for a slide without tissue.
    """
    return _readable(slide, mpp, 1.0) or _readable(slide, mpp, _MOSTLY)


def _readable(slide: Slide, mpp: float, least: float) -> list[NDArray[np.uint8]]:
    found: list[NDArray[np.uint8]] = []
    for site in tissue_sites(slide, mpp):
        y, x, h, w = site.grown(MARGIN_PX)
        region = slide.region(y * mpp, x * mpp, h, w, mpp)
        if region.valid.mean() >= least:
            found.append(region.pixels.transpose(2, 0, 1))
        if len(found) == SITES:
            break
    return found


def tissue_sites(slide: Slide, mpp: float) -> Iterator[Window]:
    """Yield windows of `SITE_PX` px at ``mpp``, the richest in tissue first.

    Within each class of tissue content (half, a quarter, a tenth, a fiftieth) the order is that of
    the R2 sequence (Roberts 2018), a function of the slide's size alone.
    """
    height, width = (max(round(side / mpp), 1) for side in slide.size_um)
    rows, cols = max(height // SITE_PX, 1), max(width // SITE_PX, 1)
    fractions = _tissue_fractions(slide, rows, cols, SITE_PX * mpp)
    order = spread_order(rows, cols)
    content = fractions.reshape(-1)[order]
    upper = np.inf
    for least in _FRACTIONS:
        for cell in order[(content >= least) & (content < upper)]:
            row, col = divmod(int(cell), cols)
            yield Window(row * SITE_PX, col * SITE_PX, SITE_PX, SITE_PX)
        upper = least


def spread_order(rows: int, cols: int) -> NDArray[np.int64]:
    """Return every cell index of a grid once, so that any beginning is spread evenly over it."""
    count = min(max(8 * rows * cols, _FEW), _MANY)
    steps = np.arange(1, count + 1, dtype=np.float64)
    y = np.floor((0.5 + steps / _PLASTIC) % 1.0 * rows).astype(np.int64)
    x = np.floor((0.5 + steps / _PLASTIC**2) % 1.0 * cols).astype(np.int64)
    visited = np.concatenate([y * cols + x, np.arange(rows * cols)])
    cells, first = np.unique(visited, return_index=True)
    return cells[np.argsort(first, kind="stable")]


def _tissue_fractions(slide: Slide, rows: int, cols: int, side_um: float) -> NDArray[np.float64]:
    rgb, mpp = slide.thumbnail(_OVERVIEW_PX)
    assert mpp is not None
    mask = tissue_mask(rgb, mpp, slide.background)
    sums = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    top, bottom = _bounds(rows, side_um / mpp, mask.shape[0])
    left, right = _bounds(cols, side_um / mpp, mask.shape[1])
    inside = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left]
    inside += sums[top][:, left]
    shares: NDArray[np.float64] = inside / np.outer(bottom - top, right - left)
    return shares


def _bounds(count: int, side: float, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    edges = np.arange(count + 1) * side
    start = np.minimum(np.floor(edges[:-1]).astype(np.int64), length - 1)
    stop = np.clip(np.ceil(edges[1:]).astype(np.int64), start + 1, length)
    return start, stop
