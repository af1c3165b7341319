"""Estimates with a bootstrap interval, for statistics that are functions of sums over items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From sums over items, (…, p), to the statistic, (…)."""

RESAMPLES = 1000
LEAST_ITEMS = 3
_CELLS = 1 << 22


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    Attributes
    ----------
    value
        The statistic; nan where it has none.
    low, high
        Bounds of the 95 % percentile bootstrap interval; nan below three items.
    n
        Items it was made from.
    protocol
        How it was made.
    """

    value: float
    low: float
    high: float
    n: int
    protocol: str


def estimate(
    features: NDArray[np.float64],
    statistic: Statistic,
    words: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return a statistic of items with its interval.

    Items are drawn with replacement (Efron 1979): since the statistic knows items by their sums
    only, a draw is a vector of how often each was drawn, and all draws are one matrix product.

    Parameters
    ----------
    features
        What of each item is summed, (n, p).
    statistic
        See `Statistic`.
    words
        What the statistic is; the interval's protocol is appended.
    resamples, seed
        Draws, and the seed that fixes them.
    """
    count = len(features)
    protocol = f"{words}; 95 % percentile bootstrap, {resamples} draws, items independent"
    value = float(statistic(features.sum(axis=0))) if count else float("nan")
    if count < LEAST_ITEMS:
        return Estimate(value, float("nan"), float("nan"), count, protocol)
    draws = statistic(_resampled(features, resamples, seed))
    finite = draws[np.isfinite(draws)]
    low, high = np.percentile(finite, (2.5, 97.5)) if finite.size else (np.nan, np.nan)
    return Estimate(value, float(low), float(high), count, protocol)


def _resampled(features: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return the sums of each draw, (resamples, p), made in parts that fit memory."""
    rng, count = np.random.default_rng(seed), len(features)
    part = max(1, _CELLS // count)
    sums = []
    for start in range(0, resamples, part):
        rows = min(part, resamples - start)
        chosen = rng.integers(0, count, (rows, count))
        flat = chosen + count * np.arange(rows)[:, None]
        times = np.bincount(flat.ravel(), minlength=rows * count).reshape(rows, count)
        sums.append(times @ features)
    return np.concatenate(sums)
