"""Virtual against real, item by item: every statistic of agreement with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from napari_virtual_ihc.measures import reliability
from napari_virtual_ihc.measures.bootstrap import Estimate, estimate
from napari_virtual_ihc.measures.kappa import pair_counts, weighted_kappa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_OF_MOMENTS = {
    "pearson": (reliability.pearson_of, "Pearson's r"),
    "icc": (reliability.icc_of, "ICC(2,1), Shrout and Fleiss 1979"),
    "bias": (reliability.bias_of, "Bland–Altman bias, mean of virtual − real"),
    "lower": (reliability.lower_limit_of, "Bland–Altman lower limit, bias − 1.96 SD"),
    "upper": (reliability.upper_limit_of, "Bland–Altman upper limit, bias + 1.96 SD"),
}
LEAST_PAIRS = 3


def paired_agreement(
    virtual: Values, real: Values, edges: Sequence[float] = ()
) -> dict[str, Estimate]:
    """Return how far two measurements of the same items agree.

    Parameters
    ----------
    virtual, real
        One finite value per item, (n,) each.
    edges
        Ascending bounds between ordered classes, for weighted kappa; none for no kappa.

    Returns
    -------
    dict
        ``pearson``, ``spearman``, ``icc``, ``bias``, ``lower``, ``upper`` and, with ``edges``,
        ``kappa``. Correlations of fewer than three items are nan.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    if virtual.shape != real.shape:
        raise ValueError(f"{virtual.size} values cannot be paired with {real.size}.")
    sums = reliability.moments(virtual, real)
    found = {name: estimate(sums, of, words) for name, (of, words) in _OF_MOMENTS.items()}
    found["spearman"] = spearman(virtual, real)
    if len(virtual) < LEAST_PAIRS:
        found |= {name: _unknown(found[name]) for name in ("pearson", "spearman", "icc")}
    return found | ({"kappa": kappa(virtual, real, edges)} if edges else {})


def spearman(x: Values, y: Values) -> Estimate:
    """Return Spearman's ρ: Pearson's r of ranks, ties sharing the mean rank.

    Ranks are taken once, before items are drawn for the interval.
    """
    ranks = reliability.moments(*(np.asarray(rankdata(v), np.float64) for v in (x, y)))
    return estimate(ranks, reliability.pearson_of, "Spearman's ρ, ranks kept in draws")


def kappa(x: Values, y: Values, edges: Sequence[float]) -> Estimate:
    """Return quadratically weighted kappa of the classes that ``edges`` make of two values."""
    classes = len(edges) + 1
    first, second = (np.digitize(values, edges).astype(np.int64) for values in (x, y))

    def statistic(sums: Values) -> Values:
        return weighted_kappa(sums.reshape(*sums.shape[:-1], classes, classes))

    bounds = "/".join(f"{edge:g}" for edge in edges)
    words = f"weighted kappa, quadratic, classes from {bounds}"
    return estimate(pair_counts(first, second, classes), statistic, words)


def dice(both: Values, virtual: Values, real: Values) -> Estimate:
    """Return Dice's coefficient 2 Σ both / Σ (virtual + real) of areas per item, (n,) each."""

    def statistic(sums: Values) -> Values:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(sums[..., 1] > 0, 2 * sums[..., 0] / sums[..., 1], np.nan)

    return estimate(np.stack([both, virtual + real], -1), statistic, "Dice of positive pixels")


def _unknown(known: Estimate) -> Estimate:
    return Estimate(float("nan"), float("nan"), float("nan"), known.n, known.protocol)
