"""Virtual and real of one region in numbers; reads slides, so never in the window; no Qt."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.about import made_from
from napari_virtual_ihc.comparison.agreement import SQUARES_UM, agreements
from napari_virtual_ihc.comparison.asking import scale_for, scorer_for
from napari_virtual_ihc.comparison.disagreement import disagreements
from napari_virtual_ihc.comparison.gate import ComparableTissue
from napari_virtual_ihc.comparison.pairing import PairScorer
from napari_virtual_ihc.comparison.region_picture import region_picture
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.widgets.overlays import banner_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.agreement import Paired
    from napari_virtual_ihc.comparison.disagreement import Disagreement
    from napari_virtual_ihc.comparison.pair_tally import PairTally
    from napari_virtual_ihc.comparison.region_picture import RegionPicture
    from napari_virtual_ihc.comparison.squares import Box
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.awaited import AwaitedTiles
    from napari_virtual_ihc.widgets.compare.sides import Sides, VirtualSide
    from napari_virtual_ihc.widgets.work import Progress


@dataclass(frozen=True, eq=False)
class Region:
    """What is measured.

    Attributes
    ----------
    words
        Such as ``"region in view"``.
    box
        Rectangle in µm; None for the slide.
    rings
        Outlines and holes inside it, each (n, 2), (y, x) in µm; none for all of it.
    """

    words: str
    box: Box | None = None
    rings: tuple[NDArray[np.float64], ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """What was measured.

    Attributes
    ----------
    region
        Where.
    tally
        Sums of both slides per square.
    found
        Agreement of every measure at every size of square.
    disagreements
        Squares that differ, the largest difference first.
    about
        Provenance: JSON values, no file names.
    failed
        Virtual tiles that could not be made and are left out.
    measurer
        What measured, for pictures of the region.
    """

    region: Region
    tally: PairTally
    found: Sequence[Paired]
    disagreements: Sequence[Disagreement]
    about: dict[str, Any]
    failed: int
    measurer: Measurer


class Measurer:
    """Measures regions of two slides one after the other, and remembers what it scored.

    Parameters
    ----------
    sides
        The slides; there must be a virtual one.
    cells, vectors
        See `asking.scorer_for`.
    """

    def __init__(self, sides: Sides, cells: str, vectors: str) -> None:
        if sides.virtual is None:
            raise DataError("There is no virtual IHC to measure.")
        self.sides, self.cells, self.vectors = sides, cells, vectors
        self._side: VirtualSide = sides.virtual
        self._turn = threading.Lock()
        self._scoring: Scoring | None = None

    def measure(
        self, region: Region, progress: Progress, squares_um: Sequence[float] = SQUARES_UM
    ) -> Answer:
        """Return the numbers of a region; virtual tiles that are missing are made first.

        Raises
        ------
        Cancelled
            If it is no longer wanted.
        VirtualIhcError
            If it cannot be measured.
        """
        with self._turn:
            scoring = self._begun(progress)
            tally = scoring.scorer.tally(
                region.box,
                partial(progress, f"Measuring the {region.words}"),
                region.rings,
            )
            failed = len(scoring.tiles.failed)
            if failed:
                scoring.tiles.failed.clear()
                scoring.scorer.forget()
            found = agreements(tally, squares_um, partial(progress, "Agreement of squares"))
            worst, about = disagreements(found), self._about(region, scoring)
            return Answer(region, tally, found, worst, about, failed, self)

    def picture(self, region: Region, progress: Progress) -> RegionPicture:
        """Return a picture of a region: virtual, real and comparability."""
        info = self._side.info
        with self._turn:
            virtual = self._begun(progress).virtual
            return region_picture(
                virtual,
                self.sides.real,
                self.sides.he_pair(),
                region.box,
                banner_text(info.marker, info.model),
                partial(progress, "Drawing the region"),
                region.rings,
            )

    def _begun(self, progress: Progress) -> Scoring:
        progress("Reading stain vectors and scale")
        if self._scoring is None:
            self._scoring = self._start()
        self._scoring.tiles.cancelled = progress.cancelled
        return self._scoring

    def _start(self) -> Scoring:
        sides, tiles = self.sides, self._side.tiles()
        virtual = sides.virtual_pair(tiles).fixed
        mpp = scale_for(virtual, sides.real)
        marker = self._side.info.marker
        scorer = scorer_for(self.cells, self.vectors, mpp, sides.aligned.moving.slide, marker)
        gate = ComparableTissue(sides.he_pair())
        return Scoring(tiles, virtual, mpp, PairScorer(virtual, sides.real, scorer, mpp, gate))

    def _about(self, region: Region, scoring: Scoring) -> dict[str, Any]:
        aligned, box = self.sides.aligned, region.box
        info, real = self._side.info, aligned.registration.moving.fingerprint
        made = made_from(
            info.provenance, real, self.sides.real, self.sides.he.fingerprint, info.marker
        )
        return made | {
            "um_per_px": scoring.mpp,
            "region_um": None if box is None else [round(side, 2) for side in box],
            "rings_um": [ring.round(2).tolist() for ring in region.rings],
        }


@dataclass(frozen=True, eq=False)
class Scoring:
    """What a measurer works with: virtual tiles, the slide they make, µm/px, and the scorer."""

    tiles: AwaitedTiles
    virtual: Slide
    mpp: float
    scorer: PairScorer
