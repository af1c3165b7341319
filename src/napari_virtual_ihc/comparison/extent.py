"""How much of a slide's tissue has a virtual stain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.tissue import tissue_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide

_PX, _BLOCK = 1024, 16


def stained_share(virtual: Slide, whole: Slide) -> float:
    """Return the share of a slide's tissue, 0 to 1, that has a virtual stain; nan without tissue.

    Both are looked at on a picture of at most 1024 px, in blocks of 16 px: the tissue of a block
    has a virtual stain if the virtual slide shows tissue anywhere in the block.

    Parameters
    ----------
    virtual
        Virtual IHC, on the grid of ``whole``.
    whole
        The H&E or the real IHC.
    """
    height, width = whole.size_um
    mpp = max(height, width) / _PX
    rows, columns = (max(round(side / mpp), 1) for side in (height, width))
    tissue, stained = (
        _blocks(_tissue(slide, rows, columns, mpp)) for slide in (whole, virtual)
    )  # fmt: skip
    area = float(tissue.sum())
    return float(tissue[stained > 0].sum()) / area if area else float("nan")


def _tissue(slide: Slide, rows: int, columns: int, mpp: float) -> NDArray[np.bool_]:
    view = slide.region(0, 0, rows, columns, mpp)
    found: NDArray[np.bool_] = view.valid & tissue_mask(view.pixels, mpp, slide.background)
    return found


def _blocks(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many pixels of each block are set."""
    rows, columns = (-side % _BLOCK for side in mask.shape)
    padded = np.pad(mask, ((0, rows), (0, columns)))
    h, w = (side // _BLOCK for side in padded.shape)
    counts: NDArray[np.int64] = padded.reshape(h, _BLOCK, w, _BLOCK).sum(axis=(1, 3))
    return counts
