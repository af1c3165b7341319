"""What else decides a comparison: tissue, focus, and the difference of DAB itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.density import PER_OD, amount
from napari_virtual_ihc.comparison.views import Heatmap, MapInfo
from napari_virtual_ihc.comparison.windows import trimmed
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.stains.vectors import H_DAB

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.views import PairView
    from napari_virtual_ihc.comparison.windows import Layout, Whole

    Values = NDArray[np.float64]

_BLUR = 4


def tissue_shares(view: PairView) -> tuple[Values, Values]:
    """Return the share of each window that is tissue in each slide, 0 to 1."""
    first, second = (view.layout.window_of(mask) / view.layout.count for mask in view.tissue)
    return first, second


def tissue_presence(view: PairView) -> Values:
    """Return the smaller share of tissue of both slides in each window, 0 to 1."""
    return np.minimum(*tissue_shares(view))


def focus(view: PairView) -> Values:
    """Return the smaller sharpness of both slides in each window, 0 (blurred) to 1.

    1 less the blur of Crété et al. 2007: the share of the differences of neighbouring pixels that
    a mean over 9 px takes away, in the direction where it takes less.
    """
    return np.minimum(*(sharpness(grey, view.layout) for grey in view.greys))


def dab_difference(view: PairView) -> Values:
    """Return mean DAB density, virtual − real, over the tissue of both in each window, OD.

    Raises
    ------
    DataError
        If the fixed picture is H&E.
    """
    if view.fixed_kind != "ihc":
        raise DataError("The DAB difference needs a virtual IHC, not H&E.")
    inner = view.layout.reach * view.layout.cell
    virtual, real = (trimmed(amount(rgb, H_DAB, "dab"), inner) for rgb in (view.fixed, view.moving))
    both = view.tissue[0] * view.tissue[1]
    sums = view.layout.window_of((virtual - real) * both)
    area = view.layout.window_of(both)
    return np.where(area > 0, sums / np.maximum(area, 1) / PER_OD, np.nan)


def sharpness(grey: NDArray[np.int64], layout: Layout) -> Values:
    """Return `focus` of one picture of integer grey, with the layout's margin."""
    return np.minimum(_sharpness(grey, layout), _sharpness(grey.T, layout).T)


def _sharpness(grey: NDArray[np.int64], layout: Layout) -> Values:
    """Return the share of vertical differences that a vertical mean takes away."""
    side = 2 * _BLUR + 1
    sums = np.cumsum(np.pad(grey, ((1, 0), (0, 0))), axis=0)
    blurred = sums[side:] - sums[:-side]
    own = side * np.abs(np.diff(grey, axis=0))[_BLUR:-_BLUR]
    lost = np.maximum(own - np.abs(np.diff(blurred, axis=0)), 0)
    whole, taken = (_windows(values, layout) for values in (own, lost))
    return np.where(whole > 0, taken / np.maximum(whole, 1), 0.0)


def _windows(values: NDArray[np.int64], layout: Layout) -> Whole:
    """Return window sums of differences, which begin 4 px below the picture's top."""
    inner = layout.reach * layout.cell
    top = inner - _BLUR
    height = len(values) + 2 * _BLUR + 1 - 2 * inner
    return layout.window_of(values[top : top + height, inner:-inner])


TISSUE = Heatmap(
    MapInfo(
        "tissue", "Tissue presence", "share", 0.0, 1.0, "cividis",
        "smaller share of pixels darker than glass by 0.05 OD (sum of channels)",
    ),
    tissue_presence,
)  # fmt: skip
FOCUS = Heatmap(
    MapInfo(
        "focus", "Focus", "0 to 1", 0.0, 1.0, "cividis",
        "1 − blur of Crété 2007, the less sharp of both slides",
    ),
    focus,
)  # fmt: skip
DAB_DIFFERENCE = Heatmap(
    MapInfo(
        "dab_difference", "DAB, virtual − real", "OD", -0.5, 0.5, "PuOr",
        "difference of mean DAB density over tissue of both, where they are comparable",
    ),
    dab_difference,
    gated=True,
)  # fmt: skip
