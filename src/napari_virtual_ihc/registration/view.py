"""A section as registration sees it: one grey in which stains look alike, and where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.stains.optical_density import to_od
from napari_virtual_ihc.stains.tissue import tissue_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide

_DENSEST = 2.0
_BLACK = 12
_CELL_UM, _SOFTEST_PX = 7.0, 2.0
LONGEST_PX = 1200
GREY_REACH = 8
"""How far away, px, a view's grey depends on pixels."""


@dataclass(frozen=True, eq=False)
class View:
    """A whole slide on a coarse grid; pixel (i, j) has its centre at (i + 1/2) mpp µm.

    Attributes
    ----------
    grey
        Compressed density of all stains together, (h, w) float32, 0 (glass) to about 1.4.
    tissue
        Where there is tissue, (h, w) bool.
    known
        Where the slide has pixels, (h, w) bool.
    mpp
        µm/px.
    """

    grey: NDArray[np.float32]
    tissue: NDArray[np.bool_]
    known: NDArray[np.bool_]
    mpp: float
    _levels: dict[float, View] = field(default_factory=dict, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.grey.shape[0], self.grey.shape[1]

    def coarser(self, mpp: float) -> View:
        """Return the view at a scale of at least its own, smoothed to what that grid can hold."""
        if mpp <= self.mpp:
            return self
        if mpp not in self._levels:
            self._levels[mpp] = self._sampled(mpp)
        return self._levels[mpp]

    def _sampled(self, mpp: float) -> View:
        step = mpp / self.mpp
        shape = tuple(max(round(side / step), 1) for side in self.shape)
        centres = np.meshgrid(*((np.arange(n) + 0.5) * step - 0.5 for n in shape), indexing="ij")
        sigma = 0.5 * np.sqrt(step**2 - 1)

        def at(values: NDArray[np.float32]) -> NDArray[np.float32]:
            smooth = ndimage.gaussian_filter(values, sigma, mode="nearest")
            sampled: NDArray[np.float32] = ndimage.map_coordinates(
                smooth, centres, order=1, mode="nearest"
            )
            return sampled

        tissue, known = (at(m.astype(np.float32)) > 0.5 for m in (self.tissue, self.known))
        return View(at(self.grey), tissue, known, mpp)


def views_of(fixed: Slide, moving: Slide) -> tuple[View, View]:
    """Return both slides at one scale: the longer is `LONGEST_PX` long, or as scanned."""
    longest = max(max(slide.size_um) for slide in (fixed, moving))
    mpp = max(fixed.require_mpp(), moving.require_mpp(), longest / LONGEST_PX)
    return view_of(fixed, mpp), view_of(moving, mpp)


def view_of(slide: Slide, mpp: float) -> View:
    """Return a slide's view at ``mpp`` µm/px.

    The grey is the square root of the optical density above glass, summed over channels: the
    root brings a pale counterstain and a dark chromogen closer together. It is smoothed by about
    a cell (7 µm, at most 2 px), below which neighbouring sections share nothing. Black pixels,
    which pictures turned by hand have in their corners, are not known.
    """
    h, w = (max(round(side / mpp), 1) for side in slide.size_um)
    pixels, valid = slide.region(0, 0, h, w, mpp)
    known = valid & (pixels.max(axis=-1) >= _BLACK)
    tissue = tissue_mask(pixels, mpp, slide.background) & known
    return View(grey_of(pixels, known, slide.background, mpp), tissue, known, mpp)


def grey_of(
    pixels: NDArray[np.uint8], known: NDArray[np.bool_], glass: tuple[int, int, int], mpp: float
) -> NDArray[np.float32]:
    """Return the grey of a view of pixels (h, w, 3) at ``mpp`` µm/px, 0 where they are not known.

    Depends on what lies within `GREY_REACH`.
    """
    clear = to_od(np.asarray(glass, dtype=np.uint8))
    density = np.clip(to_od(pixels) - clear, 0, _DENSEST).sum(axis=-1)
    density[~known] = 0
    grey: NDArray[np.float32] = ndimage.gaussian_filter(
        np.sqrt(density).astype(np.float32), min(_CELL_UM / mpp, _SOFTEST_PX), mode="nearest"
    )
    return grey
