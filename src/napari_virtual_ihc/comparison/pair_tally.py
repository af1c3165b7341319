"""What two slides scored alike come to: sums of both, and the tissue that they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.tally import Tally

    Sums = NDArray[np.float64]


@dataclass(frozen=True)
class PairTally:
    """Two slides scored alike over the same tissue.

    Attributes
    ----------
    virtual, real
        Sums per square of 50 µm.
    both
        Area positive in both, µm² per square.
    stained, comparable_um2
        Tissue with a virtual stain, and what of it is comparable, µm² per square; the same
        without a gate.
    verdict_um2
        Tissue with a virtual stain by the gate's verdict; nothing without a gate.
    protocol
        How it was measured, and inside what.
    gated
        Whether it was measured in comparable tissue alone.
    """

    virtual: Tally
    real: Tally
    both: Sums
    stained: Sums
    comparable_um2: Sums
    verdict_um2: dict[str, float]
    protocol: str
    gated: bool

    @property
    def tissue_um2(self) -> float:
        """Tissue with a virtual stain, of which all shares are."""
        return float(self.stained.sum())

    @property
    def measured_um2(self) -> float:
        """Tissue of both slides that was measured."""
        return float(self.real.of("inside").sum())

    @property
    def comparable(self) -> float:
        """Comparable share of the tissue, 0 to 1: all without a gate; nan without tissue."""
        whole = self.tissue_um2
        return float(self.comparable_um2.sum()) / whole if whole else float("nan")

    @property
    def verdict_shares(self) -> dict[str, float]:
        """Share of the tissue that has each verdict; empty without any."""
        whole = sum(self.verdict_um2.values())
        return {name: part / whole for name, part in self.verdict_um2.items()} if whole else {}
