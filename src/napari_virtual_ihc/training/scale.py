"""The scale at which a method sees its pictures, which resizing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import DataError

if TYPE_CHECKING:
    from napari_virtual_ihc.training.data import PairFolder

_ANISOTROPY = 1.02


def seen_mpp(data: PairFolder, load_size: int | None) -> float:
    """Return µm/px of the training pictures once they are resized to ``load_size``.

    Raises
    ------
    DataError
        If that would give pictures, or their two sides, scales over 2 % apart.
    """
    if load_size is None:
        return data.mpp
    sides = set()
    for pair in data.train:
        sides |= set(pair.he.size())
    if max(sides) > _ANISOTROPY * min(sides):
        raise DataError(
            f"Pictures in {data.root} have sides of {min(sides)} to {max(sides)} px; resized to "
            f"load_size={load_size} they would differ in scale: set load_size=null, or give square "
            "pictures of one size."
        )
    return data.mpp * (min(sides) + max(sides)) / 2 / load_size
