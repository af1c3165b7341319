"""How far two pictures differ, in grey levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class GreyDifference:
    """Mean and largest |a − b| in grey levels, and the share within n levels, streaming.

    One 256-bin histogram of absolute differences of uint8 values holds all of it exactly.
    """

    _counts: NDArray[np.int64] | None = None

    protocol = "absolute difference of uint8 values, all channels"

    def update(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> None:
        """Add two pictures of the same shape.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        if a.shape != b.shape:
            raise ValueError(f"Shapes {a.shape} and {b.shape} differ.")
        levels = np.abs(a.astype(np.int16) - b.astype(np.int16)).ravel()
        self._counts = self.counts + np.bincount(levels, minlength=256)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of values by absolute difference, 256 bins."""
        return np.zeros(256, dtype=np.int64) if self._counts is None else self._counts

    def merge(self, other: GreyDifference) -> None:
        """Add what ``other`` has seen."""
        self._counts = self.counts + other.counts

    @property
    def mean(self) -> float:
        """Mean absolute difference, grey levels; nan where nothing was seen."""
        total = int(self.counts.sum())
        return float(self.counts @ np.arange(256)) / total if total else float("nan")

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio 10 log10(255² / mean squared difference), decibels.

        nan where nothing was seen, infinite where nothing differs.
        """
        total = int(self.counts.sum())
        squared = float(self.counts @ np.arange(256) ** 2)
        if not total:
            return float("nan")
        return 10 * math.log10(255**2 * total / squared) if squared else float("inf")

    @property
    def largest(self) -> int:
        """Largest absolute difference, grey levels; 0 where nothing was seen."""
        return int(np.flatnonzero(self.counts)[-1]) if self.counts.any() else 0

    def share_within(self, levels: int) -> float:
        """Return the share of values that differ by at most ``levels``, 0 to 1."""
        total = int(self.counts.sum())
        return float(self.counts[: levels + 1].sum()) / total if total else float("nan")

    def compute(self) -> dict[str, float]:
        """Return mean, largest and the shares within 1 and 3 levels."""
        return {
            "mean": self.mean,
            "largest": float(self.largest),
            "within_1": self.share_within(1),
            "within_3": self.share_within(3),
        }
