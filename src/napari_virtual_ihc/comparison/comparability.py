"""Where two slides can be compared, and why not elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.evidence import focus, tissue_shares
from napari_virtual_ihc.comparison.structure import ncc, texture
from napari_virtual_ihc.comparison.views import MapInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.views import PairView

    Values = NDArray[np.float64]


class Verdict(IntEnum):
    """What can be said of a place."""

    GLASS = 0
    COMPARABLE = 1
    SHIFTED = 2
    TORN_OR_FOLDED = 3
    MISSING_TISSUE = 4
    OUT_OF_FOCUS = 5
    NO_TEXTURE = 6


VERDICTS = {
    Verdict.GLASS: "glass",
    Verdict.COMPARABLE: "comparable",
    Verdict.SHIFTED: "shifted",
    Verdict.TORN_OR_FOLDED: "torn or folded",
    Verdict.MISSING_TISSUE: "missing tissue",
    Verdict.OUT_OF_FOCUS: "out of focus",
    Verdict.NO_TEXTURE: "too little texture to tell",
}
COLOURS: dict[Verdict, tuple[int, int, int, int]] = {
    Verdict.GLASS: (0, 0, 0, 0),
    Verdict.COMPARABLE: (0, 158, 115, 255),
    Verdict.SHIFTED: (213, 94, 0, 255),
    Verdict.TORN_OR_FOLDED: (204, 121, 167, 255),
    Verdict.MISSING_TISSUE: (86, 180, 233, 255),
    Verdict.OUT_OF_FOCUS: (240, 228, 66, 255),
    Verdict.NO_TEXTURE: (153, 153, 153, 255),
}
"""RGBA of each verdict, colour-blind safe (Okabe and Ito 2008)."""


@dataclass(frozen=True)
class Rules:
    """When a window counts as what; fixed beforehand.

    Attributes
    ----------
    tissue
        A slide has tissue in a window from this share on.
    missing
        Tissue is missing where one slide has less than this share of the other's.
    focus
        Least sharpness, see `evidence.focus`.
    texture
        Least standard deviation of hematoxylin in both, OD.
    ncc
        Least correlation of hematoxylin.
    least_area, most_area
        Bounds of the field's Jacobian determinant.
    strain
        Largest difference of the shifts of matching neighbours, by their distance.
    """

    tissue: float = 0.1
    missing: float = 0.25
    focus: float = 0.45
    texture: float = 0.015
    ncc: float = 0.2
    least_area: float = 0.3
    most_area: float = 3.0
    strain: float = 0.15

    @property
    def name(self) -> str:
        """Return the rules in words, to stand beside every number that they gate."""
        return (
            f"comparable: tissue ≥ {self.tissue:g} of the window in both, focus ≥ {self.focus:g}, "
            f"texture ≥ {self.texture:g} OD, correlation of hematoxylin ≥ {self.ncc:g}, "
            f"area change {self.least_area:g} to {self.most_area:g}, neighbours parted by less "
            f"than {self.strain:g} of their distance"
        )


DEFAULT_RULES = Rules()


@dataclass(frozen=True)
class Comparability:
    """Verdicts of the cells of a map, and how well structure matches there.

    Attributes
    ----------
    verdicts
        (rows, columns) uint8 of `Verdict`.
    mismatch
        1 − local correlation where it can be judged, 0 (the same) to 2; nan elsewhere.
    """

    verdicts: NDArray[np.uint8]
    mismatch: Values

    def shares(self) -> dict[str, float]:
        """Return the share of the tissue that has each verdict, by its name; nan without tissue."""
        tissue = int((self.verdicts != Verdict.GLASS).sum())
        return {
            words: float((self.verdicts == verdict).sum()) / tissue if tissue else float("nan")
            for verdict, words in VERDICTS.items()
            if verdict != Verdict.GLASS
        }


def comparability(view: PairView, rules: Rules = DEFAULT_RULES) -> Comparability:
    """Return where a view's slides can be compared.

    Parameters
    ----------
    view
        The window of both, and what it knows of their registration.
    rules
        Thresholds. The first that speaks decides: no tissue in either, missing in one, torn or
        folded, out of focus, too little texture, shifted.
    """
    match = ncc(view)
    first, second = tissue_shares(view)
    less, more = np.minimum(first, second), np.maximum(first, second)
    flat = texture(view) < rules.texture
    reasons = [
        (more < rules.tissue, Verdict.GLASS),
        ((less < rules.tissue) & (less < rules.missing * more), Verdict.MISSING_TISSUE),
        (_broken(view, rules), Verdict.TORN_OR_FOLDED),
        (focus(view) < rules.focus, Verdict.OUT_OF_FOCUS),
        (flat, Verdict.NO_TEXTURE),
        (match < rules.ncc, Verdict.SHIFTED),
    ]
    found = np.select(
        [where for where, _ in reasons], [int(verdict) for _, verdict in reasons],
        int(Verdict.COMPARABLE),
    )  # fmt: skip
    judged = np.isin(found, (Verdict.COMPARABLE, Verdict.SHIFTED))
    return Comparability(found.astype(np.uint8), np.where(judged, 1 - match, np.nan))


def _broken(view: PairView, rules: Rules) -> NDArray[np.bool_]:
    if view.deformation is None:
        return np.zeros(view.shape, dtype=bool)
    area = view.deformation.jacobian
    kept = (area >= rules.least_area) & (area <= rules.most_area)
    broken: NDArray[np.bool_] = ~kept | (view.deformation.strain > rules.strain)
    return broken


def coloured(verdicts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return verdicts as RGBA, (rows, columns, 4)."""
    table = np.array([COLOURS[verdict] for verdict in Verdict], np.uint8)
    return table[verdicts]


COMPARABILITY = MapInfo(
    "comparability", "Comparability", "class", 0, len(Verdict) - 1, "Okabe–Ito",
    "the first of: no tissue, tissue in one slide only, area change or parting of the field, "
    "focus, texture, correlation of hematoxylin",
    tuple(
        (VERDICTS[one], COLOURS[one][:3]) for one in Verdict if one != Verdict.GLASS
    ),
)  # fmt: skip
