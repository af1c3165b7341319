"""Two slides of a window that lie on each other: what Align finds and every other page uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry


@dataclass(frozen=True, eq=False)
class Aligned:
    """A registration and what it joins.

    Attributes
    ----------
    registration
        Maps µm of the H&E to µm of the real IHC.
    fixed, moving
        The H&E and the real IHC, as the window knows them.
    warped
        The real IHC on the µm grid of the H&E, read lazily.
    """

    registration: Registration
    fixed: SlideEntry
    moving: SlideEntry
    warped: Slide

    def holds(self, entry: SlideEntry) -> bool:
        """Whether ``entry`` is one of the two slides."""
        return entry in (self.fixed, self.moving)
