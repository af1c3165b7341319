"""What is asked of a comparison, in the words of the command line and the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from napari_virtual_ihc.comparison.scorer import COARSEST_CELLS, Cells, Scorer, estimated
from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.stains.dab import DEFAULT_DAB

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.slide import Slide

Vectors = Literal["published", "estimated"]
CELLS = ("auto", *get_args(Cells))
VECTORS = get_args(Vectors)
_MPP = 0.5
_THUMBNAIL = 2048
_MEMBRANES = ("her2", "erbb2", "cerbb2")


def scale_for(*slides: Slide) -> float:
    """Return the µm/px at which slides are scored: 0.5, or that of the coarsest."""
    return max(_MPP, *(slide.require_mpp() for slide in slides))


def scorer_for(cells: str, vectors: str, mpp: float, real: Slide, marker: str = "") -> Scorer:
    """Return what measures both slides.

    Parameters
    ----------
    cells
        One of `CELLS`; ``auto`` takes membranes for HER2, nuclei for other markers, and none
        where cells cannot be told at ``mpp``.
    vectors
        Stain vectors: ``published``, or ``estimated`` on the real slide.
    mpp
        Scale of reading, µm/px.
    real
        The real IHC as it was scanned.
    marker
        Such as ``"Ki-67"``, where it is known.

    Raises
    ------
    UsageError
        For other words, or cells at a scale that shows none.
    DataError
        If vectors cannot be estimated.
    """
    if cells not in CELLS or vectors not in VECTORS:
        raise UsageError(f"Cells are {', '.join(CELLS)}; vectors are {', '.join(VECTORS)}.")
    if mpp > COARSEST_CELLS and cells in ("nuclei", "membranes"):
        raise UsageError(
            f"Cells cannot be told at {mpp:g} µm/px, only up to {COARSEST_CELLS:g}; ask for none."
        )
    dab = DEFAULT_DAB if vectors == "published" else estimated(real.thumbnail(_THUMBNAIL)[0])
    return Scorer(dab, _cells(cells, mpp, marker))


def _cells(cells: str, mpp: float, marker: str) -> Cells:
    if cells == "none" or mpp > COARSEST_CELLS:
        return "none"
    if cells == "auto":
        return "membranes" if _plain(marker).startswith(_MEMBRANES) else "nuclei"
    return "membranes" if cells == "membranes" else "nuclei"


def _plain(marker: str) -> str:
    """Return a marker's letters and digits: HER2/neu and HER-2 begin alike."""
    return "".join(one for one in marker.lower() if one.isalnum())
