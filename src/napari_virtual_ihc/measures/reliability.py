"""Do two ways of measuring give the same number: intraclass correlation and Bland–Altman.

Of pairs (x, y) all of it follows from six sums, the *moments*: 1, x, y, x², xy, y².
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIMIT = 1.96
_ROUNDING = 1e-12


class _Central(NamedTuple):
    """Count, means, and sums of squared and crossed deviations from them."""

    n: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    xx: NDArray[np.float64]
    xy: NDArray[np.float64]
    yy: NDArray[np.float64]


def icc_2_1(table: NDArray[np.float64]) -> float:
    """Return ICC(2,1): two-way random effects, absolute agreement, single measure.

    (MSR − MSE) / (MSR + (k − 1) MSE + k (MSC − MSE) / n), Shrout and Fleiss 1979.

    Parameters
    ----------
    table
        Targets by judges, (n, k).

    Returns
    -------
    At most 1; nan with fewer than two targets or judges, or where nothing varies.
    """
    n, k = table.shape
    if n < 2 or k < 2:
        return float("nan")
    mean, of_rows, of_columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    rows = k * ((of_rows - mean) ** 2).sum() / (n - 1)
    columns = n * ((of_columns - mean) ** 2).sum() / (k - 1)
    rest = table - of_rows[:, None] - of_columns[None] + mean
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    whole = rows + (k - 1) * error + k * (columns - error) / n
    varies = whole > _ROUNDING * mean**2
    return float((rows - error) / whole) if varies else float("nan")


def moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the six summands of each pair, (n, 6).

    Values are taken from the mean of all, which changes none of the statistics and keeps digits.
    """
    if not len(x):
        return np.zeros((0, 6))
    middle = (x.mean() + y.mean()) / 2
    x, y = x - middle, y - middle
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def pearson_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r from sums of moments, (…, 6); nan where a side is constant."""
    c = _central(sums)
    return _ratio(c.xy, np.sqrt(c.xx * c.yy))


def icc_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `icc_2_1` of two judges from sums of moments, (…, 6).

    With the deviations' sums S of the pair: MSR = (Sxx + Syy + 2 Sxy) / 2(n − 1),
    MSE = (Sxx + Syy − 2 Sxy) / 2(n − 1), MSC = n (x̄ − ȳ)² / 2.
    """
    c = _central(sums)
    freedom = np.maximum(2 * (c.n - 1), 1)
    rows, error = (c.xx + c.yy + 2 * c.xy) / freedom, (c.xx + c.yy - 2 * c.xy) / freedom
    columns = c.n * (c.x - c.y) ** 2 / 2
    return _ratio(rows - error, rows + error + 2 * (columns - error) / np.maximum(c.n, 1))


def bias_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of x − y."""
    c = _central(sums)
    return c.x - c.y


def lower_limit_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lower 95 % limit of agreement, bias − 1.96 SD (Bland and Altman 1986)."""
    return bias_of(sums) - _LIMIT * _spread_of(sums)


def upper_limit_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper 95 % limit of agreement, bias + 1.96 SD."""
    return bias_of(sums) + _LIMIT * _spread_of(sums)


def _spread_of(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    c = _central(sums)
    deviations = np.maximum(c.xx + c.yy - 2 * c.xy, 0)
    return np.where(c.n > 1, np.sqrt(deviations / np.maximum(c.n - 1, 1)), np.nan)


def _central(sums: NDArray[np.float64]) -> _Central:
    n, x, y, xx, xy, yy = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x, mean_y = x / n, y / n
    of_x, of_y = _vary(xx - x * mean_x, xx), _vary(yy - y * mean_y, yy)
    crossed = np.where((of_x > 0) & (of_y > 0), xy - x * mean_y, 0.0)
    return _Central(n, mean_x, mean_y, of_x, crossed, of_y)


def _vary(deviation: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a sum of squared deviations, 0 where it is rounding only."""
    return np.where(deviation > _ROUNDING * np.abs(whole), deviation, 0.0)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)
