"""Marker expression: a visible part, a hidden part, and noise of the single cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from napari_virtual_ihc.slides.phantom.noise import uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.parameters import MarkerModel

CHANCES = 8
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)


def slide_threshold(key: int, model: MarkerModel) -> float:
    """Return the score a cell of this slide must pass: far above all in a negative slide."""
    negative = float(uniform(np.array([key]), 77)[0]) < model.negative_slides
    return 9.0 if negative else model.threshold


def stain_strength(excess: NDArray[np.floating], model: MarkerModel) -> NDArray[np.float64]:
    """Return chromogen OD of a cell whose score exceeds the threshold by ``excess``.

    Nuclear markers jump to weak (0.25) and rise to strong (1.0); membrane markers rise gradually
    from incomplete (0+, 1+) to intense (3+).
    """
    if model.compartment == "membrane":
        return np.clip(0.06 + 0.42 * np.logaddexp(0.0, 1.6 * np.asarray(excess)) / 1.6, 0.0, 1.2)
    strong = np.clip(0.26 + 0.42 * np.asarray(excess), 0.0, 1.0)
    return np.where(np.asarray(excess) > 0, strong, 0.02)


def tumour_expression(
    visible: NDArray[np.floating],
    hidden: NDArray[np.floating],
    noise: NDArray[np.floating],
    threshold: float,
    model: MarkerModel,
) -> NDArray[np.float64]:
    """Return chromogen OD of tumour cells from their three standardised parts."""
    score = model.visible * visible + model.hidden * hidden + model.cellular * noise
    return stain_strength(score - threshold, model)


def bystander_expression(
    draw: NDArray[np.floating], rate: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return chromogen OD of other cells: a share ``rate`` is stained, weakly to moderately."""
    return np.where(draw < rate, 0.25 + 0.6 * draw / np.maximum(rate, 1e-9), 0.02)


def expected_stained(
    visible: NDArray[np.floating],
    threshold: float,
    model: MarkerModel,
    cut: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return the stained share of each nucleus, given only what H&E shows of it.

    The stained share at expression ``e`` is the probability that local OD, spread by 22 % about
    ``e``, passes ``cut`` (one per cell); hidden part and noise are integrated out (Gauss-Hermite).
    """
    spread = np.hypot(model.hidden, model.cellular)
    score = model.visible * np.asarray(visible)[:, None] + spread * _NODES - threshold
    strength = stain_strength(score, model)
    share = ndtr((strength - np.asarray(cut)[:, None]) / (0.22 * strength))
    total: NDArray[np.float64] = share @ (_WEIGHTS / _WEIGHTS.sum())
    return total


def equal_chances(
    visible: NDArray[np.floating], threshold: float, model: MarkerModel
) -> Iterator[NDArray[np.float64]]:
    """Yield chromogen OD at :data:`CHANCES` equally probable values of what H&E hides."""
    spread = np.hypot(model.hidden, model.cellular)
    for rank in (np.arange(CHANCES) + 0.5) / CHANCES:
        score = model.visible * np.asarray(visible) + spread * ndtri(rank)
        yield stain_strength(score - threshold, model)
