"""How alike the structure of two windows is: correlation, mutual information, SSIM's structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.density import PER_OD
from napari_virtual_ihc.comparison.views import Heatmap, MapInfo
from napari_virtual_ihc.comparison.windows import box_sum, cell_sum, trimmed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.views import PairView
    from napari_virtual_ihc.comparison.windows import Whole

    Values = NDArray[np.float64]

_EDGES = np.array([0.02, 0.05, 0.1, 0.15, 0.22, 0.3, 0.42]) * PER_OD
_BINS = len(_EDGES) + 1
_SSIM_REACH = 6
_FLAT = (0.01 * PER_OD) ** 2
_PARTS = 10_000


def ncc(view: PairView) -> Values:
    """Return Pearson's r of hematoxylin density in each window, −1 to 1; 0 where one is flat."""
    x, y = view.densities
    window, n = view.layout.window, view.layout.count
    return _correlation(n, window(x), window(y), window(x * x), window(x * y), window(y * y))


def mutual_information(view: PairView) -> Values:
    """Return the mutual information of hematoxylin density in each window, in bits, 0 to 3.

    Σ p log₂(p / p_x p_y) over 8 × 8 bins with fixed edges, less the bias (8 − 1)² / (2 n ln 2) of
    n pixels (Miller 1955; n as `Layout.pixels`), not below 0.
    """
    layout = view.layout
    x, y = (np.digitize(density, _EDGES) for density in view.densities)
    joint = trimmed(x * _BINS + y, layout.reach * layout.cell)
    counts = layout.window_of_cells(_histograms(joint, layout.cell))
    counts = counts.reshape(_BINS, _BINS, *counts.shape[1:])
    table = _entropy_table(layout.count)
    alone = table[counts.sum(axis=0)].sum(axis=0) + table[counts.sum(axis=1)].sum(axis=0)
    gained = table[counts].sum(axis=(0, 1)) - alone + table[layout.count]
    bias = (_BINS - 1) ** 2 / (2 * layout.pixels * np.log(2))
    bits: Values = np.maximum(gained / (layout.count * _PARTS) - bias, 0)
    return bits


def ssim_structure(view: PairView) -> Values:
    """Return the mean over each window of SSIM's structure term of hematoxylin density, −1 to 1.

    (σ_xy + c) / (σ_x σ_y + c) of 13 × 13 px around each pixel, c = (0.01 OD)²; Wang et al. 2004,
    equation 10.
    """
    x, y = view.densities
    n = (2 * _SSIM_REACH + 1) ** 2
    sx, sy, sxx, sxy, syy = (box_sum(values, _SSIM_REACH) for values in (x, y, x * x, x * y, y * y))
    crossed = (n * sxy - sx * sy) / n**2
    spread = np.sqrt(_spread(n, sx, sxx) / n**2) * np.sqrt(_spread(n, sy, syy) / n**2)
    parts = np.rint((crossed + _FLAT) / (spread + _FLAT) * _PARTS).astype(np.int64)
    cut = view.layout.around(_SSIM_REACH)
    sums = view.layout.window_of(trimmed(parts, cut))
    return sums / (view.layout.count * _PARTS)


def texture(view: PairView) -> Values:
    """Return the smaller of both standard deviations of hematoxylin density in each window, OD."""
    window, n = view.layout.window, view.layout.count
    both = [np.sqrt(_spread(n, window(v), window(v * v))) / n for v in view.densities]
    return np.minimum(*both) / PER_OD


def _entropy_table(most: int) -> Whole:
    """Return c log₂ c of counts c of 0 to ``most`` as integers, so that sums are exact."""
    count = np.arange(most + 1)
    table: Whole = np.rint(count * np.log2(np.maximum(count, 1)) * _PARTS).astype(np.int64)
    return table


def _histograms(joint: NDArray[np.int64], cell: int) -> Whole:
    """Return how often each joint bin occurs in each cell, (bins², rows, columns)."""
    return np.stack([cell_sum(joint == one, cell) for one in range(_BINS**2)])


def _spread(n: int, total: Whole, squares: Whole) -> Values:
    """Return n² times the variance."""
    return np.maximum(n * squares - total * total, 0).astype(np.float64)


def _correlation(n: int, sx: Whole, sy: Whole, sxx: Whole, sxy: Whole, syy: Whole) -> Values:
    scale = np.sqrt(_spread(n, sx, sxx)) * np.sqrt(_spread(n, sy, syy))
    crossed = (n * sxy - sx * sy).astype(np.float64)
    return np.where(scale > 0, crossed / np.where(scale > 0, scale, 1), 0.0)


NCC = Heatmap(
    MapInfo(
        "ncc", "Local correlation", "r", 0.0, 1.0, "viridis",
        "Pearson's r of hematoxylin density",
    ),
    ncc,
)  # fmt: skip
MUTUAL_INFORMATION = Heatmap(
    MapInfo(
        "mutual_information", "Mutual information", "bit", 0.0, 1.0, "viridis",
        "Σ p log₂(p / p_x p_y) of hematoxylin density, 8 × 8 bins, bias taken off (Miller 1955)",
    ),
    mutual_information,
)  # fmt: skip
SSIM_STRUCTURE = Heatmap(
    MapInfo(
        "ssim", "SSIM of structure", "−1 to 1", 0.0, 1.0, "viridis",
        "mean (σ_xy + c) / (σ_x σ_y + c) of hematoxylin density, 13 px (Wang 2004, eq. 10)",
    ),
    ssim_structure,
)  # fmt: skip
TEXTURE = Heatmap(
    MapInfo(
        "texture", "Texture support", "OD", 0.0, 0.2, "cividis",
        "smaller of both standard deviations of hematoxylin density",
    ),
    texture,
)  # fmt: skip
