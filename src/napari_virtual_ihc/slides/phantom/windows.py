"""Where on a phantom to look: blocks rich in tumour, and windows to cut pairs from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom.noise import Grid, uniform
from napari_virtual_ihc.slides.phantom.render import BLOCK_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.phantom import Phantom

TUMOUR_SHARE = 0.75
_RICH = 0.35
_COARSE_UM = 12.0


def choose_windows(
    phantom: Phantom, count: int, side: int, tumour_share: float = TUMOUR_SHARE
) -> list[tuple[int, int]]:
    """Draw windows that do not overlap, seeded by the phantom's seed.

    Parameters
    ----------
    phantom
        Where to look.
    count
        How many windows; fewer come back where the phantom has not got so many.
    side
        Their side, px of level 0; they lie on a lattice of it.
    tumour_share
        Share of windows of which over a third is tumour; half of the others' area is tissue.

    Returns
    -------
    Row and column of each window's corner, px of level 0.
    """
    rng = np.random.default_rng(phantom.seed)
    nest, inside = _shares_of_windows(phantom, side)
    rich = _draw(np.argwhere(nest > _RICH), round(count * tumour_share), rng)
    plain = _draw(np.argwhere((nest <= _RICH) & (inside > 0.5)), count - len(rich), rng)
    return [(int(row) * side, int(column) * side) for row, column in [*rich, *plain]]


def _shares_of_windows(
    phantom: Phantom, side: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shares of tumour nest and of tissue on a lattice of windows."""
    rows, columns = phantom.height // side, phantom.width // side
    fine = max(2, round(side * phantom.mpp / _COARSE_UM))
    step = side * phantom.mpp / fine
    if not rows or not columns:
        return np.zeros((rows, columns)), np.zeros((rows, columns))
    fields = phantom.tissue(Grid(0.0, 0.0, rows * fine, columns * fine, step))
    inside = fields.inside > 0
    solid = (fields.nest > 0) & inside & (fields.lumen < 0)
    nest, tissue = (
        mask.reshape(rows, fine, columns, fine).mean(axis=(1, 3)) for mask in (solid, inside)
    )
    return nest, tissue


def _draw(places: NDArray[np.intp], count: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    return [places[index] for index in rng.permutation(len(places))[:count]]


def tumour_blocks(phantom: Phantom) -> list[tuple[int, int]]:
    """Return the blocks of 512 px (row, column) that are rich in tumour, in a seeded order."""
    tissue, tumour = _shares_of_blocks(phantom)
    chosen = (tumour > 0.3) & (tissue > 0.7)
    rows, cols = (np.arange(side, dtype=np.int64) for side in chosen.shape)
    order = uniform(phantom.seed, rows[:, None], cols[None, :], 31)
    found = sorted((float(order[r, c]), int(r), int(c)) for r, c in np.argwhere(chosen))
    return [(r, c) for _, r, c in found]


def _shares_of_blocks(phantom: Phantom) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, per whole block, the shares of tissue that is not fat, and of tumour."""
    step = BLOCK_PX * phantom.mpp / 8
    rows, cols = phantom.height // BLOCK_PX, phantom.width // BLOCK_PX
    if not rows or not cols:
        empty = np.zeros((rows, cols))
        return empty, empty
    fields = phantom.tissue(Grid(0.0, 0.0, 8 * rows, 8 * cols, step))
    there = (fields.inside > 10) & (fields.fat < 0.4)
    parts = (there, there & (fields.nest > 0))
    tissue, tumour = (part.reshape(rows, 8, cols, 8).mean((1, 3)) for part in parts)
    return tissue, tumour
