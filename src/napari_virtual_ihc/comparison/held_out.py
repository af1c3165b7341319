"""Which squares of a slide are held out, so that no tissue is seen on both sides of the split."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.files import hash_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

_SIDES = (4, 3, 2, 1)
_FEWEST_BLOCKS = 10


def split_squares(kept: Mask, share: float, name: str) -> tuple[Mask, Mask]:
    """Return which squares are held out, and which lie in the gap around them.

    Parameters
    ----------
    kept
        Squares that can be cut, (rows, columns).
    share
        Of these to hold out, at least; 0 for none.
    name
        Of the slide; the same one, the same squares.

    Returns
    -------
    tuple
        Two masks. Nothing is held out where that would leave fewer than half of the squares.
    """
    none = np.zeros_like(kept)
    held, wanted = none.copy(), math.ceil(share * int(kept.sum()))
    blocks = _blocks(kept)
    for block in sorted(set(blocks[kept].tolist()), key=lambda number: hash_of(name, number)):
        if int(held.sum()) >= wanted:
            break
        held |= kept & (blocks == block)
    gap = kept & ~held & ndimage.binary_dilation(held, np.ones((3, 3)))
    if 2 * int((kept & ~held & ~gap).sum()) < int(kept.sum()):
        return none, none
    return held, gap


def _blocks(kept: Mask) -> NDArray[np.int64]:
    """Return the number of each square's block: the largest of which there are enough."""
    rows, columns = np.indices(kept.shape)
    for side in _SIDES:
        numbers = np.asarray(rows // side * kept.shape[1] + columns // side, np.int64)
        if len(np.unique(numbers[kept])) >= _FEWEST_BLOCKS:
            break
    return numbers
