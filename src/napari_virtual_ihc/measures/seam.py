"""How visible the borders of tiles are: the step across a border over the step beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class SeamFigure:
    """Seam figure S = mean |step across tile borders| / mean |step one pixel beside|, streaming.

    Steps are absolute differences of neighbouring pixels, averaged over channels; "beside" are
    the steps one pixel before and one after the border. 1 means that borders cannot be told.

    Attributes
    ----------
    tile
        Side of a tile in pixels; borders lie at its multiples.
    """

    tile: int
    _across: float = 0.0
    _beside: float = 0.0
    _n_across: int = 0
    _n_beside: int = 0

    @property
    def protocol(self) -> str:
        """How the number is made, in words."""
        return f"seam figure at {self.tile} px borders: step across / step one pixel beside"

    def update(self, image: NDArray[Any]) -> None:
        """Add a picture (YX or YXC) whose origin is a tile corner."""
        for axis in (0, 1):
            self._add(np.moveaxis(np.asarray(image, dtype=np.float64), axis, 0))

    def _add(self, image: NDArray[np.float64]) -> None:
        steps = np.abs(np.diff(image, axis=0)).reshape(image.shape[0] - 1, -1).mean(axis=1)
        borders = np.arange(self.tile, image.shape[0] - 1, self.tile) - 1
        beside = np.concatenate([borders - 1, borders + 1])
        self._across += float(steps[borders].sum())
        self._beside += float(steps[beside].sum())
        self._n_across += borders.size
        self._n_beside += beside.size

    def merge(self, other: SeamFigure) -> None:
        """Add what ``other`` has seen."""
        self._across += other._across
        self._beside += other._beside
        self._n_across += other._n_across
        self._n_beside += other._n_beside

    def compute(self) -> float:
        """Return S; nan where no border was seen or the surroundings are flat."""
        if not self._n_across or self._beside == 0:
            return float("nan")
        return (self._across / self._n_across) / (self._beside / self._n_beside)
