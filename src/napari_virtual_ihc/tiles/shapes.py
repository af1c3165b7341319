"""Level shapes that napari puts exactly where they belong.

What napari 0.9 does with a multiscale image (read in ``layers/_scalar_field`` and
``_vispy/layers/base.py``): only level 0 has a scale and a translate. The pixels of level n are
stretched by ``shape[0] / shape[n]``, per axis, and hung up at the top-left *corner* of level 0's
first pixel: the half-pixel shift from centre to corner is taken at level 0's scale for every level.
So levels that share their top-left corner are aligned there, and drift apart towards the far edge
unless the ratio of the shapes is exactly 2**n. Rounding each level up on its own would misplace the
last pixels by up to one pixel of the shown level. Level 0 is therefore padded (with nothing:
transparent) to a multiple of 2**(levels - 1), fewer pixels than one pixel of the coarsest level
covers, and every level is an exact half of the one before.

In world coordinates (µm, origin at the corner) pixel centres of a level of scale s lie at
(i + 1/2) s, so a layer has ``scale = s`` and ``translate = s / 2`` with s of level 0.
"""

from __future__ import annotations

from napari_virtual_ihc.tiles.grid import ceil_div

OVERVIEW_PX = 1024


def level_shapes(
    height: int, width: int, overview_px: int = OVERVIEW_PX
) -> tuple[tuple[int, int], ...]:
    """Return ``(h, w)`` of each level: exact halves, two levels at least.

    Parameters
    ----------
    height, width
        Extent of level 0 in pixels.
    overview_px
        Greatest side of the coarsest level, which is held in memory.
    """
    count = 2
    while ceil_div(max(height, width), 1 << (count - 1)) > overview_px:
        count += 1
    unit = 1 << (count - 1)
    rows, cols = ceil_div(height, unit), ceil_div(width, unit)
    return tuple((rows << n, cols << n) for n in reversed(range(count)))


def chunks(side: int, tile: int) -> tuple[int, ...]:
    """Return the chunk sizes along an axis, dask style."""
    whole, rest = divmod(side, tile)
    return (tile,) * whole + ((rest,) if rest else ())
