"""Tissue on a grid, as numbers: depths, weights and smooth fields."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Fields:
    """Tissue on a grid; depths are µm and positive inside, weights lie in [0, 1].

    Attributes
    ----------
    inside
        Depth inside the outline of the section.
    nest, lumen
        Depth inside tumour nests, and inside the lumina within them.
    duct, duct_wall, vessel, vessel_wall
        Depth inside ducts and vessels, and how thick their walls are.
    necrosis, fat, lymphoid, immune
        Weights of necrosis and fat, of lymphoid aggregates, and of scattered immune cells.
    phase
        Number of collagen bundles crossed; fibres follow its contour lines.
    dense, tint
        Density of collagen and slow variation of staining (unit variance).
    activity, hidden
        Smooth part of the visible latent and the hidden field (unit variance).
    grade, crowd
        Tumour grade in [0, 1] and crowding of tumour cells (unit variance).
    """

    inside: NDArray[np.float32]
    nest: NDArray[np.float32]
    lumen: NDArray[np.float32]
    duct: NDArray[np.float32]
    duct_wall: NDArray[np.float32]
    vessel: NDArray[np.float32]
    vessel_wall: NDArray[np.float32]
    necrosis: NDArray[np.float32]
    fat: NDArray[np.float32]
    lymphoid: NDArray[np.float32]
    immune: NDArray[np.float32]
    phase: NDArray[np.float32]
    dense: NDArray[np.float32]
    tint: NDArray[np.float32]
    activity: NDArray[np.float32]
    hidden: NDArray[np.float32]
    grade: NDArray[np.float32]
    crowd: NDArray[np.float32]

    def map(self, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Fields:
        """Return the fields with ``change`` applied to each (a crop, a warp, an enlargement)."""
        return replace(self, **{f.name: change(getattr(self, f.name)) for f in fields(self)})


def step_up(value: NDArray[np.floating], low: float, high: float) -> NDArray[np.float32]:
    """Return a smooth step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    result: NDArray[np.float32] = t * t * (3 - 2 * t)
    return result
