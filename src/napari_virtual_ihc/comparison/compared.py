"""The slides of one comparison, and what is said of them beside its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.comparison.about import made_from
from napari_virtual_ihc.comparison.extent import stained_share
from napari_virtual_ihc.comparison.gate import SlidePair, layout_for
from napari_virtual_ihc.comparison.pairing import require_aligned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_virtual_ihc.comparison.squares import Box
    from napari_virtual_ihc.slides.slide import Slide


@dataclass(frozen=True)
class Compared:
    """Slides on one µm grid.

    Attributes
    ----------
    virtual, real
        Virtual IHC, and the real one on its grid.
    scanned
        The real IHC as it was scanned.
    he
        The H&E, by which it is judged what is comparable; by the virtual IHC where None.
    stated
        What the virtual slide's file states of its model, see `about.of_model`.
    marker
        What the IHC shows, where that was said.

    Raises
    ------
    DataError
        If their sizes in µm differ.
    RegistrationError
        If the H&E is not the one that the real IHC was registered to.
    """

    virtual: Slide
    real: Slide
    scanned: Slide
    he: Slide | None = None
    stated: Mapping[str, Any] = field(default_factory=dict)
    marker: str = ""

    def __post_init__(self) -> None:
        """Refuse slides that cannot lie on each other."""
        for one in (self.virtual, self.he):
            if one is not None:
                require_aligned(one, self.real)
        registration = self.pair.registration
        if registration is not None and self.he is not None:
            registration.require(fixed=self.he)

    @property
    def pair(self) -> SlidePair:
        """What says where they are comparable."""
        if self.he is None:
            return SlidePair(self.virtual, self.real, "ihc", layout_for(self.virtual, self.real))
        return SlidePair(self.he, self.real, "he", layout_for(self.he, self.real))

    def about(self, mpp: float, box: Box | None) -> dict[str, Any]:
        """Return the provenance of a comparison, JSON values without a file's name.

        Parameters
        ----------
        mpp
            Scale at which slides were scored, µm/px.
        box
            Region in µm.
        """
        he = None if self.he is None else self.he.fingerprint
        virtual = dict(self.stated) | {"fingerprint": self.virtual.fingerprint}
        return made_from(virtual, self.scanned.fingerprint, self.real, he, self.marker) | {
            "stained_share": self._stained(),
            "um_per_px": mpp,
            "region_um": None if box is None else list(box),
        }

    def _stained(self) -> float | None:
        """Return the share of the slide's tissue that has a virtual stain; None without tissue."""
        found = stained_share(self.virtual, self.he or self.real)
        return found if math.isfinite(found) else None
