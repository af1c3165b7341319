"""Stain vectors: the direction in optical density that each dye takes, fixed or estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.optical_density import to_od

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEMATOXYLIN = (0.65, 0.70, 0.29)
EOSIN = (0.07, 0.99, 0.11)
DAB = (0.27, 0.57, 0.78)
_TISSUE_OD = 0.15
_ENOUGH_PIXELS = 500


@dataclass(frozen=True)
class StainVectors:
    """Three stains as unit vectors in optical density.

    Attributes
    ----------
    matrix
        Rows are the stains, columns red, green, blue; each row has length 1.
    names
        Name of each row, such as ``("hematoxylin", "dab", "residual")``.
    source
        Where the vectors come from; printed with every number that uses them.
    """

    matrix: tuple[tuple[float, float, float], ...]
    names: tuple[str, str, str]
    source: str

    def rows(self) -> NDArray[np.float64]:
        """Return the matrix, 3 × 3 float64."""
        return np.asarray(self.matrix, dtype=np.float64)

    def inverse(self) -> NDArray[np.float64]:
        """Return the matrix that turns optical densities into stain amounts, 3 × 3."""
        inverse: NDArray[np.float64] = np.linalg.inv(self.rows()).astype(np.float64)
        return inverse

    def angle_to(self, other: StainVectors) -> tuple[float, ...]:
        """Return the angle in degrees between each stain here and its namesake in ``other``."""
        cosine = np.clip((self.rows() * other.rows()).sum(axis=1), -1, 1)
        return tuple(float(angle) for angle in np.degrees(np.arccos(cosine)))


def stain_vectors(
    first: tuple[float, float, float],
    second: tuple[float, float, float],
    third: tuple[float, float, float] | None,
    names: tuple[str, str, str],
    source: str,
) -> StainVectors:
    """Return unit vectors of two or three stains; a missing third is their common normal."""
    rows = [np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)]
    normal = np.cross(rows[0], rows[1])
    rows.append(normal if third is None else np.asarray(third, dtype=np.float64))
    unit = [row / np.linalg.norm(row) for row in rows]
    matrix = tuple((float(row[0]), float(row[1]), float(row[2])) for row in unit)
    return StainVectors(matrix, names, source)


HED = stain_vectors(
    HEMATOXYLIN, EOSIN, DAB, ("hematoxylin", "eosin", "dab"), "Ruifrok and Johnston 2001"
)
H_DAB = stain_vectors(
    HEMATOXYLIN, DAB, None, ("hematoxylin", "dab", "residual"), "Ruifrok and Johnston 2001"
)
H_E = stain_vectors(
    HEMATOXYLIN, EOSIN, None, ("hematoxylin", "eosin", "residual"), "Ruifrok and Johnston 2001"
)


def estimate_macenko(
    rgb: NDArray[np.uint8], reference: StainVectors, percentile: float = 1.0
) -> StainVectors | None:
    """Estimate the two stains of a picture from the extremes of its optical-density plane.

    Macenko et al. 2009: tissue pixels are projected on the two principal directions of
    their optical densities; the ``percentile`` and its complement of their angle are the stains.

    Parameters
    ----------
    rgb
        Picture, (..., 3) uint8.
    reference
        Names the stains and orders them: the estimate nearer to its first row comes first.
    percentile
        Share of pixels beyond each extreme, in percent.

    Returns
    -------
    The estimate, or None where fewer than 500 pixels are tissue.
    """
    od = to_od(rgb).reshape(-1, 3).astype(np.float64)
    od = od[(od > _TISSUE_OD).all(axis=1)]
    if len(od) < _ENOUGH_PIXELS:
        return None
    plane = _principal_plane(od)
    along = od @ plane
    angles = np.arctan2(along[:, 1], along[:, 0])
    low, high = np.percentile(angles, (percentile, 100 - percentile))
    found = [plane @ (np.cos(angle), np.sin(angle)) for angle in (low, high)]
    first = reference.rows()[0]
    found.sort(key=lambda vector: -float(vector @ first))
    a, b = ((float(v[0]), float(v[1]), float(v[2])) for v in found)
    names = (reference.names[0], reference.names[1], "residual")
    return stain_vectors(a, b, None, names, "Macenko 2009, estimated")


def _principal_plane(od: NDArray[np.float64]) -> NDArray[np.float64]:
    _, vectors = np.linalg.eigh(np.cov(od.T))
    plane: NDArray[np.float64] = vectors[:, [2, 1]]
    return plane * np.where(plane.sum(axis=0) < 0, -1, 1)
