"""Cohen's weighted kappa: agreement on ordered classes beyond chance (Cohen 1968)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def quadratic_weights(classes: int) -> NDArray[np.float64]:
    """Return disagreement (i − j)², (classes, classes)."""
    index = np.arange(classes, dtype=np.float64)
    weights: NDArray[np.float64] = (index[:, None] - index[None]) ** 2
    return weights


def weighted_kappa(
    counts: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return κ = 1 − Σ w·observed / Σ w·expected by the margins.

    Parameters
    ----------
    counts
        How often the first reader said i and the second j, (…, classes, classes).
    weights
        Disagreement of i and j, 0 on the diagonal; quadratic where not given.

    Returns
    -------
    (…); nan where a reader always says the same class, since no agreement could differ from chance.
    """
    chosen = quadratic_weights(counts.shape[-1]) if weights is None else weights
    total = counts.sum(axis=(-2, -1), keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = counts / total
        expected = share.sum(axis=-1)[..., :, None] * share.sum(axis=-2)[..., None, :]
        apart, chance = (chosen * share).sum((-2, -1)), (chosen * expected).sum((-2, -1))
        vary = ((counts.sum(axis) > 0).sum(-1) > 1 for axis in (-2, -1))
        return np.where(np.logical_and(*vary) & (chance > 0), 1 - apart / chance, np.nan)


def pair_counts(
    first: NDArray[np.int64], second: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return which pair of classes each item has, one-hot, (n, classes²)."""
    found = np.zeros((len(first), classes * classes))
    found[np.arange(len(first)), first * classes + second] = 1
    return found
