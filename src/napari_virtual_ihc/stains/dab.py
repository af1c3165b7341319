"""Positive DAB: one threshold and one source of stain vectors, said with every number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.unmix import unmix
from napari_virtual_ihc.stains.vectors import H_DAB, StainVectors

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DabProtocol:
    """How brown counts as positive.

    Attributes
    ----------
    threshold
        A pixel is positive from this DAB optical density on.
    weak, strong
        Bounds between weak, moderate and strong staining, in DAB optical density.
    vectors
        Stains; their second row is DAB.
    """

    threshold: float = 0.15
    weak: float = 0.35
    strong: float = 0.6
    vectors: StainVectors = H_DAB

    @property
    def name(self) -> str:
        """Return the protocol's name, to stand beside every number."""
        bounds = f"{self.threshold:g}/{self.weak:g}/{self.strong:g}"
        return f"DAB OD ≥ {bounds}, vectors: {self.vectors.source}"


DEFAULT_DAB = DabProtocol()


def dab_density(rgb: NDArray[np.uint8], protocol: DabProtocol = DEFAULT_DAB) -> NDArray[np.float32]:
    """Return the DAB optical density of each pixel, not below 0.

    Parameters
    ----------
    rgb
        (..., 3) uint8, an IHC picture; on H&E the number means nothing (eosin absorbs blue too).

    Returns
    -------
    (...) float32.
    """
    index = protocol.vectors.names.index("dab")
    density: NDArray[np.float32] = np.maximum(unmix(rgb, protocol.vectors)[..., index], 0)
    return density


def dab_area(
    density: NDArray[np.floating],
    mask: NDArray[np.bool_] | None = None,
    protocol: DabProtocol = DEFAULT_DAB,
) -> float:
    """Return the share of (masked) pixels that are positive, 0 to 1; nan for an empty mask."""
    chosen = density if mask is None else density[mask]
    return float((chosen >= protocol.threshold).mean()) if chosen.size else float("nan")


def h_score(
    density: NDArray[np.floating],
    mask: NDArray[np.bool_] | None = None,
    protocol: DabProtocol = DEFAULT_DAB,
) -> float:
    """Return the pixel H-score, 1 · weak % + 2 · moderate % + 3 · strong %, 0 to 300.

    Pixels, not cells: comparable between two pictures measured alike, not with a reader's score.
    """
    chosen = density if mask is None else density[mask]
    bounds = (protocol.threshold, protocol.weak, protocol.strong)
    return float(sum(100 * (chosen >= bound).mean() for bound in bounds)) if chosen.size else 0.0


def iod(
    density: NDArray[np.floating],
    mask: NDArray[np.bool_] | None = None,
    protocol: DabProtocol = DEFAULT_DAB,
) -> float:
    """Return the integrated optical density: the sum of DAB density over positive pixels."""
    chosen = density if mask is None else density[mask]
    return float(chosen[chosen >= protocol.threshold].sum(dtype=np.float64))
