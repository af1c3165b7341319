"""Nuclei of an IHC picture: where they lie, how large they are and how brown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from napari_virtual_ihc.stains.dab import DEFAULT_DAB, DabProtocol
from napari_virtual_ihc.stains.unmix import unmix

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRADES = ("negative", "weak", "moderate", "strong")
_POOL_UM = 2.0


@dataclass(frozen=True)
class NucleiProtocol:
    """How nuclei are found and graded.

    Attributes
    ----------
    stains
        Stains whose optical densities together show a nucleus; hematoxylin alone where DAB is in
        membranes.
    excess
        A pixel is nuclear where this density exceeds its surroundings by so much …
    least, most
        … or reaches ``most``, but not below ``least``.
    around_um
        Side of the surroundings, of which the lower quartile is taken, µm.
    smoothing_um
        σ of the Gaussian that takes chromatin's texture away, µm.
    apart_um
        Least distance between the centres of two nuclei, µm.
    least_um2, most_um2
        Area of the smallest and the largest nucleus, µm².
    dab
        Grades of a nucleus by its DAB optical density, see `Nuclei.dab`.
    """

    stains: tuple[str, ...] = ("hematoxylin", "dab")
    excess: float = 0.06
    least: float = 0.12
    most: float = 0.35
    around_um: float = 25.0
    smoothing_um: float = 0.5
    apart_um: float = 2.5
    least_um2: float = 8.0
    most_um2: float = 400.0
    dab: DabProtocol = field(default_factory=lambda: DEFAULT_DAB)

    @property
    def name(self) -> str:
        """Return the protocol's name, to stand beside every number."""
        return (
            f"nuclei: {' + '.join(self.stains)} OD after σ {self.smoothing_um:g} µm "
            f"{self.excess:g} over the lower quartile of {self.around_um:g} µm "
            f"({self.least:g} to {self.most:g}), "
            f"≥ {self.apart_um:g} µm apart, {self.least_um2:g} to {self.most_um2:g} µm², "
            f"graded by depth-weighted mean {self.dab.name}"
        )


DEFAULT_NUCLEI = NucleiProtocol()
COUNTERSTAINED = NucleiProtocol(stains=("hematoxylin",))
"""Nuclei where DAB stains membranes."""


@dataclass(frozen=True)
class Nuclei:
    """Nuclei of one picture, one entry each.

    Attributes
    ----------
    labels
        (h, w) int32: 0 outside, else 1 + the index of the nucleus.
    y, x
        Centres in px, pixel (0, 0)'s centre at 0.5.
    area_um2
        Areas, µm², the rim of the smoothing included.
    dab
        Mean DAB optical density, pixels weighted by their depth below the rim, which is paler.
    grade
        0 negative, 1 weak, 2 moderate, 3 strong.
    """

    labels: NDArray[np.int32]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    area_um2: NDArray[np.float64]
    dab: NDArray[np.float64]
    grade: NDArray[np.int64]

    def counts(self) -> NDArray[np.int64]:
        """Return how many nuclei have each grade, (4,)."""
        found: NDArray[np.int64] = np.bincount(self.grade, minlength=len(GRADES))
        return found


def find_nuclei(
    rgb: NDArray[np.uint8], mpp: float, protocol: NucleiProtocol = DEFAULT_NUCLEI
) -> Nuclei:
    """Return the nuclei of an IHC picture.

    Density is smoothed; pixels that exceed their surroundings are divided by a watershed of the
    distance to their rim among its maxima.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8, hematoxylin and DAB.
    mpp
        Scale in µm/px; the thresholds are made for 0.2 to 0.6.
    """
    amounts = np.maximum(unmix(rgb, protocol.dab.vectors), 0)
    names = protocol.dab.vectors.names
    dense = sum_of(amounts, [names.index(stain) for stain in protocol.stains])
    smooth = ndimage.gaussian_filter(dense, protocol.smoothing_um / mpp, mode="nearest")
    labels = _divided(_nuclear(smooth, mpp, protocol), mpp, protocol)
    return _measured(labels, amounts[..., names.index("dab")], mpp, protocol)


def sum_of(amounts: NDArray[np.float32], rows: list[int]) -> NDArray[np.float32]:
    """Return the sum of some stains' amounts, (h, w)."""
    total: NDArray[np.float32] = amounts[..., rows].sum(axis=-1)
    return total


def _nuclear(
    smooth: NDArray[np.float32], mpp: float, protocol: NucleiProtocol
) -> NDArray[np.bool_]:
    """Return pixels denser than their surroundings, single ones taken away."""
    level = _surroundings(smooth, mpp, protocol.around_um) + protocol.excess
    mask = smooth >= np.clip(level, protocol.least, protocol.most)
    opened: NDArray[np.bool_] = ndimage.binary_opening(mask, np.ones((3, 3)))
    return opened


def _surroundings(smooth: NDArray[np.float32], mpp: float, side_um: float) -> NDArray[np.float32]:
    """Return the lower quartile within a square, made of means over 2 µm."""
    step = max(1, round(_POOL_UM / mpp))
    height, width = smooth.shape
    padded = np.pad(smooth, ((0, -height % step), (0, -width % step)), mode="edge")
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    pooled = padded.reshape(rows, step, columns, step).mean(axis=(1, 3))
    side = 2 * round(side_um / mpp / step / 2) + 1
    quartile = ndimage.percentile_filter(pooled, 25, size=side, mode="nearest")
    fine = ndimage.zoom(quartile, step, order=1, mode="nearest", grid_mode=True)
    whole: NDArray[np.float32] = fine[:height, :width]
    return whole


def _divided(mask: NDArray[np.bool_], mpp: float, protocol: NucleiProtocol) -> NDArray[np.int32]:
    whole = _filled(mask, protocol.least_um2 / mpp**2)
    depth = ndimage.distance_transform_edt(whole).astype(np.float32)
    rounded = ndimage.gaussian_filter(depth, protocol.smoothing_um / mpp, mode="nearest")
    side = 2 * max(1, round(protocol.apart_um / mpp)) + 1
    peaks = (rounded == ndimage.maximum_filter(rounded, side, mode="nearest")) & whole
    seeds, _ = ndimage.label(peaks, np.ones((3, 3)))
    labels: NDArray[np.int32] = watershed(-rounded, seeds, mask=whole).astype(np.int32)
    return labels


def _filled(mask: NDArray[np.bool_], most: float) -> NDArray[np.bool_]:
    """Return a mask without holes of up to ``most`` pixels: pale chromatin, not a lumen."""
    holes, _ = ndimage.label(~mask)
    small: NDArray[np.bool_] = np.bincount(holes.ravel()) <= most
    whole: NDArray[np.bool_] = mask | small[holes]
    return whole


def _measured(
    labels: NDArray[np.int32], dab: NDArray[np.float32], mpp: float, protocol: NucleiProtocol
) -> Nuclei:
    areas = np.bincount(labels.ravel()) * mpp**2
    fits = (areas >= protocol.least_um2) & (areas <= protocol.most_um2)
    fits[0] = False
    count, number = int(fits.sum()), np.where(fits, np.cumsum(fits), 0).astype(np.int32)
    kept = number[labels]
    depth = ndimage.distance_transform_edt(kept > 0)
    brown = _sums(dab * depth, kept, count) / _sums(depth, kept, count)
    y, x = (_sums(at, kept, count) * mpp**2 / areas[fits] for at in _centres(kept.shape))
    bounds = (protocol.dab.threshold, protocol.dab.weak, protocol.dab.strong)
    grade = np.digitize(brown, bounds).astype(np.int64)
    return Nuclei(kept, y, x, areas[fits].astype(np.float64), brown, grade)


def _centres(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the row and the column of each pixel's centre."""
    rows, columns = np.indices(shape)
    return rows + 0.5, columns + 0.5


def _sums(values: NDArray[Any], labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return the sum of values over each of ``count`` labels, 1 first."""
    sums = np.bincount(labels.ravel(), values.ravel(), count + 1)[1:]
    return np.asarray(sums, np.float64)
