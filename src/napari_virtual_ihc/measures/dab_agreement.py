"""Does the virtual stain put its brown where the real one has it: DAB area square by square."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_virtual_ihc.measures.correlation import Correlation, Pearson

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Agreement:
    """Agreement of two DAB areas, in shares 0 to 1 of the area inside the mask.

    Attributes
    ----------
    correlation
        Pearson's r over squares with its interval.
    bias
        Mean of virtual minus true.
    lower, upper
        95 % limits of agreement, bias ± 1.96 standard deviations (Bland and Altman).
    squares
        Number of squares.
    protocol
        How the numbers were made.
    """

    correlation: Correlation
    bias: float
    lower: float
    upper: float
    squares: int
    protocol: str

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values; nan is written None."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


@dataclass
class DabAgreement:
    """DAB area of virtual against true IHC per square, inside a mask, fed picture by picture.

    Area of a square: a = |positive ∩ mask| / |mask|. Squares with less than ``least_mask``
    of their pixels in the mask are left out; squares cut by the border are left out.

    Attributes
    ----------
    mpp
        Scale of the pictures, µm/px.
    positivity
        Name of the rule that made the positive masks (threshold, stain vectors).
    square_um
        Side of a square, µm.
    least_mask
        Smallest share of a square inside the mask, 0 to 1.
    where
        What the mask stands for, in words.
    """

    mpp: float
    positivity: str
    square_um: float = 128.0
    least_mask: float = 0.25
    where: str = "tissue"
    _pearson: Pearson = field(default_factory=Pearson, repr=False)

    @property
    def protocol(self) -> str:
        """How the numbers are made, in words."""
        return (
            f"DAB area per {self.square_um:g} µm square inside {self.where} "
            f"(≥ {self.least_mask:.0%} of the square), {self.positivity}; "
            f"{self._pearson.protocol}"
        )

    @property
    def side(self) -> int:
        """Side of a square in pixels."""
        return max(1, round(self.square_um / self.mpp))

    def update(
        self,
        virtual: NDArray[np.bool_],
        true: NDArray[np.bool_],
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one picture: DAB-positive pixels of both stains (YX) and the mask (YX)."""
        inside = np.ones(true.shape, dtype=bool) if mask is None else mask
        share = square_means(inside, self.side)
        kept = share >= self.least_mask
        areas = (square_means(stain & inside, self.side) for stain in (virtual, true))
        self._pearson.update(*(area[kept] / share[kept] for area in areas))

    def merge(self, other: DabAgreement) -> None:
        """Add the squares that ``other`` has seen."""
        self._pearson.merge(other._pearson)

    def squares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the areas (virtual, true) of all squares seen."""
        return self._pearson.pairs()

    def compute(self) -> Agreement:
        """Return correlation, bias and limits over all squares seen."""
        virtual, true = self.squares()
        difference = virtual - true
        bias = float(difference.mean()) if difference.size else float("nan")
        spread = 1.96 * float(difference.std(ddof=1)) if difference.size > 1 else float("nan")
        return Agreement(
            self._pearson.compute(),
            bias,
            bias - spread,
            bias + spread,
            difference.size,
            self.protocol,
        )


def square_means(values: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Return the mean of each whole ``side`` × ``side`` square of a YX array."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    whole = values[: rows * side, : columns * side].astype(np.float64)
    means: NDArray[np.float64] = whole.reshape(rows, side, columns, side).mean(axis=(1, 3))
    return means
