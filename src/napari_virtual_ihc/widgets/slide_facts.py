"""What the window wants to know of a slide, read once and away from the window's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.identity import StainKind, stain_kind
from napari_virtual_ihc.stains.tissue import pen_mask
from napari_virtual_ihc.tiles.slide_producer import SlideProducer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.camera import Box

_PEN_SHARE = 0.01


@dataclass(frozen=True)
class SlideFacts:
    """A slide's overview and what it says at a glance.

    Attributes
    ----------
    producer
        Makes the tiles of the slide itself.
    overview
        YX4 uint8, the whole slide: the coarsest level of its tile pyramid.
    pixel
        World units (µm, or level-0 px where the slide has no scale) per overview pixel.
    stain
        What the overview's colours look like.
    pen
        YX bool, where the overview shows pen marks.
    fingerprint
        Of the slide, whatever its scale.
    """

    producer: SlideProducer
    overview: NDArray[np.uint8]
    pixel: float
    stain: StainKind
    pen: NDArray[np.bool_]
    fingerprint: str

    @property
    def size(self) -> tuple[float, float]:
        """Height and width of the slide in world units."""
        grid = self.producer.grid
        return grid.height * grid.mpp, grid.width * grid.mpp

    def pen_in(self, box: Box) -> bool:
        """Whether over a hundredth of ``box`` (world units) is pen."""
        top, left = (max(0, int(value / self.pixel)) for value in (box.top, box.left))
        bottom, right = (int(value / self.pixel) + 1 for value in (box.bottom, box.right))
        part = self.pen[top : max(bottom, 0), left : max(right, 0)]
        return bool(part.size) and float(part.mean()) > _PEN_SHARE


def read_facts(slide: Slide) -> SlideFacts:
    """Read overview and fingerprint of ``slide``; takes seconds on a slow disk.

    Raises
    ------
    NotBrightfieldError
        If the slide's background is dark.
    """
    producer = SlideProducer(slide)
    overview = producer.overview()
    rgb = np.ascontiguousarray(overview[..., :3])
    pixel = producer.grid.level(producer.levels - 1).mpp
    pen = pen_mask(rgb, pixel)
    return SlideFacts(producer, overview, pixel, stain_kind(rgb), pen, slide.fingerprint)
