"""Pearson's r with a bootstrap interval, fed in pieces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Correlation:
    """A correlation and how sure it is.

    Attributes
    ----------
    r
        Pearson's r, −1 to 1; nan with fewer than three pairs or a constant side.
    low, high
        Bounds of the 95 % percentile bootstrap interval.
    n
        Number of pairs.
    protocol
        How the number was made.
    """

    r: float
    low: float
    high: float
    n: int
    protocol: str


@dataclass
class Pearson:
    """Pearson correlation r = Σ(x − x̄)(y − ȳ) / √(Σ(x − x̄)² Σ(y − ȳ)²) over pairs fed in pieces.

    The interval is that of the percentile bootstrap (Efron): pairs drawn with replacement.

    Attributes
    ----------
    resamples
        Bootstrap draws.
    seed
        Seed of the draws.
    """

    resamples: int = 1000
    seed: int = 0
    _x: list[NDArray[np.float64]] = field(default_factory=list, repr=False)
    _y: list[NDArray[np.float64]] = field(default_factory=list, repr=False)

    @property
    def protocol(self) -> str:
        """How the number is made, in words."""
        return f"Pearson r, 95 % percentile bootstrap of {self.resamples} draws over pairs"

    def update(self, x: ArrayLike, y: ArrayLike) -> None:
        """Add pairs; ``x`` and ``y`` have the same number of finite values.

        Raises
        ------
        ValueError
            If their lengths differ.
        """
        xs, ys = (np.asarray(v, dtype=np.float64).ravel() for v in (x, y))
        if xs.shape != ys.shape:
            raise ValueError(f"{xs.size} values cannot be paired with {ys.size}.")
        self._x.append(xs)
        self._y.append(ys)

    def merge(self, other: Pearson) -> None:
        """Add the pairs that ``other`` has seen."""
        self._x.extend(other._x)
        self._y.extend(other._y)

    def compute(self) -> Correlation:
        """Return r and its interval over all pairs seen."""
        x, y = self.pairs()
        draws = self._bootstrap(x, y)
        low, high = np.percentile(draws, [2.5, 97.5]) if draws.size else (np.nan, np.nan)
        return Correlation(pearson(x, y), float(low), float(high), x.size, self.protocol)

    def pairs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return all pairs seen, in the order they came."""
        empty = [np.zeros(0)]
        return np.concatenate(empty + self._x), np.concatenate(empty + self._y)

    def _bootstrap(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        if x.size < 3:
            return np.zeros(0)
        rng = np.random.default_rng(self.seed)
        chosen = rng.integers(0, x.size, (self.resamples, x.size))
        draws = np.array([pearson(x[ids], y[ids]) for ids in chosen])
        finite: NDArray[np.float64] = draws[np.isfinite(draws)]
        return finite


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Pearson's r of two vectors; nan with fewer than three pairs or a constant side."""
    if x.size < 3:
        return float("nan")
    dx, dy = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((dx * dx).sum() * (dy * dy).sum()))
    return float((dx * dy).sum()) / norm if norm > 0 else float("nan")
