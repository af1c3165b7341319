"""How fine the H&E is that a model learns from, for its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.measures.fineness import (
    PROTOCOL,
    REACH,
    WINDOW_PX,
    fineness,
    gradient_energies,
)
from napari_virtual_ihc.models.card import UNKNOWN, TextureStatistics
from napari_virtual_ihc.stains.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.models.card import Unknown

_LEAST_TISSUE, _FEWEST = 0.5, 8


def texture_of(pictures: Iterable[NDArray[np.uint8]], mpp: float) -> TextureStatistics | Unknown:
    """Return the fineness of H&E pictures' windows; unknown where fewer than 8 show tissue.

    Parameters
    ----------
    pictures
        (h, w, 3) uint8 at the scale that the model reads.
    mpp
        That scale, µm/px.
    """
    values = [value for picture in pictures for value in _windows(picture, mpp)]
    if len(values) < _FEWEST:
        return UNKNOWN
    mean, std = float(np.mean(values)), float(np.std(values))
    return TextureStatistics(
        mean=round(mean, 4), std=round(max(std, 0.01), 4), windows=len(values), protocol=PROTOCOL
    )


def _windows(picture: NDArray[np.uint8], mpp: float) -> Iterator[float]:
    """Yield the fineness of each whole window that is mostly tissue."""
    mask = tissue_mask(picture, mpp)[REACH:-REACH, REACH:-REACH]
    fine, coarse = (energy * mask for energy in gradient_energies(picture))
    rows, columns = (side // WINDOW_PX for side in mask.shape)
    for row, column in np.ndindex(rows, columns):
        here = tuple(slice(n * WINDOW_PX, (n + 1) * WINDOW_PX) for n in (row, column))
        if mask[here].mean() >= _LEAST_TISSUE:
            yield float(fineness(fine[here].sum(), coarse[here].sum()))
