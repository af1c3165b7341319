"""How well any map of two slides fits, told as registration tells it of its own maps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from napari_virtual_ihc.registration.evidence import evidence_for
from napari_virtual_ihc.registration.similarity import likeness
from napari_virtual_ihc.registration.view import views_of

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.evidence import Evidence
    from napari_virtual_ihc.registration.mapping import Mapping
    from napari_virtual_ihc.registration.view import View
    from napari_virtual_ihc.slides.slide import Slide


@dataclass(frozen=True)
class Judge:
    """Two slides seen coarsely; they are read when first judged.

    Attributes
    ----------
    fixed, moving
        Slides of known scale.
    """

    fixed: Slide
    moving: Slide

    @cached_property
    def _views(self) -> tuple[View, View]:
        return views_of(self.fixed, self.moving)

    def likeness(self, mapping: Mapping) -> float | None:
        """Return the mean correlation of squares of tissue, −1 to 1; None where none is on both."""
        return likeness(*self._views, mapping).known

    def evidence(self, mapping: Mapping) -> Evidence:
        """Return what speaks for a map."""
        return evidence_for(*self._views, mapping)

    def agreeing(self, mapping: Mapping) -> float:
        """Return the share of squares that, free to move, agree with a map, 0 to 1."""
        return self.evidence(mapping).agreeing
