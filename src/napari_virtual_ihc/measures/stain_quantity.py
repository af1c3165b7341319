"""How much stain there is and which colours: IOD and histograms, generated against real IHC."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.measures.correlation import pearson

if TYPE_CHECKING:
    from numpy.typing import NDArray

HistogramKind = Literal["correlation", "intersection", "bhattacharyya"]
_POSITIVE = 0.15
_BINS = 256


@dataclass(frozen=True)
class IodFigures:
    """What `Iod` found.

    Attributes
    ----------
    generated, real
        Mean integrated optical density of a picture.
    relative_error
        (generated − real) / real; nan where the real pictures have none.
    r
        Pearson's correlation of the pictures' IOD; nan below three pictures.
    count
        Pictures.
    """

    generated: float
    real: float
    relative_error: float
    r: float
    count: int


@dataclass
class Iod:
    """Integrated optical density of DAB, generated against real, streaming."""

    _pairs: list[tuple[float, float]] = field(default_factory=list)

    protocol = (
        "IOD/deconvolved: DAB alone by Ruifrok's vectors as published, its grey of 1 to 255, "
        "OD = log10(255 / grey) as ImageJ's uncalibrated OD, summed over pixels above 0.15"
    )

    def update(self, generated: NDArray[np.float64], real: NDArray[np.float64]) -> None:
        """Add the densities of a pair of pictures, `stains.dab_grey.dab_grey_density`, (h, w)."""
        self._pairs.append((iod(generated), iod(real)))

    def merge(self, other: Iod) -> None:
        """Add what ``other`` has seen."""
        self._pairs = [*self._pairs, *other._pairs]

    def compute(self) -> IodFigures:
        """Return the figures; nan where nothing was seen."""
        nan = float("nan")
        if not self._pairs:
            return IodFigures(nan, nan, nan, nan, 0)
        values = np.array(self._pairs)
        generated, real = (float(mean) for mean in values.mean(axis=0))
        error = (generated - real) / real if real > 0 else nan
        r = pearson(values[:, 0], values[:, 1]) if len(values) > 2 else nan
        return IodFigures(generated, real, error, r, len(values))


@dataclass
class HistogramLikeness:
    """Mean likeness of the colour histograms of generated and real pictures, streaming."""

    kind: HistogramKind = "correlation"
    _values: list[float] = field(default_factory=list)

    @property
    def protocol(self) -> str:
        """Return what the number is, to stand beside it."""
        return f"Hist/{self.kind}: {_BINS} bins per RGB channel, mean over channels and pictures"

    def update(self, generated: NDArray[np.uint8], real: NDArray[np.uint8]) -> None:
        """Add a pair of (h, w, 3) pictures."""
        self._values.append(histogram_likeness(generated, real, self.kind))

    def merge(self, other: HistogramLikeness) -> None:
        """Add what ``other`` has seen."""
        self._values = [*self._values, *other._values]

    def compute(self) -> float:
        """Return the mean; nan where nothing was seen."""
        return float(np.mean(self._values)) if self._values else float("nan")


def iod(density: NDArray[np.float64]) -> float:
    """Return the integrated optical density of a picture's DAB, from its density (h, w)."""
    return float(density[density > _POSITIVE].sum())


def histogram_likeness(
    generated: NDArray[np.uint8], real: NDArray[np.uint8], kind: HistogramKind = "correlation"
) -> float:
    """Return how alike the 256-bin histograms of each channel are, mean over channels.

    ``correlation`` is Pearson's of the bins (1 for the same), ``intersection`` the shared area
    (0 to 1), ``bhattacharyya`` the distance √(1 − Σ √(p q)) (0 for the same).
    """
    pairs = ((_shares(generated[..., c]), _shares(real[..., c])) for c in range(3))
    return float(np.mean([_likeness(p, q, kind) for p, q in pairs]))


def _likeness(p: NDArray[np.float64], q: NDArray[np.float64], kind: HistogramKind) -> float:
    if kind == "correlation":
        return pearson(p, q)
    if kind == "intersection":
        return float(np.minimum(p, q).sum())
    return math.sqrt(max(0.0, 1 - float(np.sqrt(p * q).sum())))


def _shares(channel: NDArray[np.uint8]) -> NDArray[np.float64]:
    counts = np.bincount(channel.ravel(), minlength=_BINS)
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares
