"""Do two masks cover the same pixels: Dice's coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Dice:
    """Dice's coefficient 2 |A ∩ B| / (|A| + |B|) of two positive masks, fed picture by picture.

    All pixels count together, so that pictures with more stain weigh more (Dice 1945).
    """

    _both: int = 0
    _sum: int = 0

    protocol = "Dice of positive pixels, all pictures together"

    def update(
        self, a: NDArray[np.bool_], b: NDArray[np.bool_], inside: NDArray[np.bool_] | None = None
    ) -> None:
        """Add a picture: two masks (YX), and where they count.

        Raises
        ------
        ValueError
            If their shapes differ.
        """
        if a.shape != b.shape:
            raise ValueError(f"Shapes {a.shape} and {b.shape} differ.")
        first, second = (a, b) if inside is None else (a & inside, b & inside)
        self._both += int(np.count_nonzero(first & second))
        self._sum += int(np.count_nonzero(first)) + int(np.count_nonzero(second))

    def merge(self, other: Dice) -> None:
        """Add what ``other`` has seen."""
        self._both += other._both
        self._sum += other._sum

    def compute(self) -> float:
        """Return the coefficient, 0 to 1; nan where neither mask has a pixel."""
        return 2 * self._both / self._sum if self._sum else float("nan")
