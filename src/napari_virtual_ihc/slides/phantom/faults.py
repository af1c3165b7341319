"""What goes wrong with real H&E, done to a picture of a phantom: known faults in known places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.stains.optical_density import from_od, to_od

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]

Fault = Literal["blur", "pen", "wrong scale", "hue", "wrong stain"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
BLUR_UM = 2.0
ENLARGED = 2
HUE_DEGREES = -25.0
"""Towards violet; as much towards red lies within the colours of phantoms of other seeds."""
_INK = (0.55, 0.35, 0.04)
"""Optical density of blue felt-tip ink, red, green and blue."""


@dataclass(frozen=True)
class Square:
    """A square of a picture, px."""

    y: int
    x: int
    side: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return its rows and columns."""
        return slice(self.y, self.y + self.side), slice(self.x, self.x + self.side)


def inject(fault: Fault, he: Rgb, ihc: Rgb, place: Square, mpp: float) -> Rgb:
    """Return H&E with a fault in one square.

    Parameters
    ----------
    fault
        ``blur``: out of focus by a Gaussian of 2 µm; ``pen``: blue ink over it; ``wrong scale``:
        enlarged twice, as if its µm/px were half of what it is; ``hue``: turned by 25° towards
        violet; ``wrong stain``: IHC in place of H&E.
    he, ihc
        (h, w, 3) uint8 of the same tissue.
    mpp
        Their µm/px.
    """
    made, here = he.copy(), place.slices
    if fault == "blur":
        sigma = BLUR_UM / mpp
        made[here] = ndimage.gaussian_filter(he, (sigma, sigma, 0))[here]
    elif fault == "pen":
        made[here] = from_od(to_od(he[here]) + np.array(_INK, np.float32))
    elif fault == "wrong scale":
        made[here] = enlarged(he, place)
    elif fault == "hue":
        made[here] = turned(he[here], HUE_DEGREES)
    else:
        made[here] = ihc[here]
    return made


def enlarged(picture: NDArray[np.generic], place: Square, order: int = 1) -> NDArray[np.generic]:
    """Return the middle of a square, enlarged to all of it without new detail.

    Parameters
    ----------
    picture
        (h, w) or (h, w, c).
    order
        Of the spline between pixels; 0 for masks.
    """
    side = place.side // ENLARGED
    start = place.side // 2 - side // 2
    middle = picture[place.slices][start : start + side, start : start + side]
    factors = (ENLARGED, ENLARGED, *(1,) * (picture.ndim - 2))
    large: NDArray[np.generic] = ndimage.zoom(
        middle, factors, order=order, mode="nearest", grid_mode=True
    )
    return large


def turned(rgb: Rgb, degrees: float) -> Rgb:
    """Return colours turned about the grey axis: lightness stays, hue moves."""
    axis = np.ones(3) / np.sqrt(3)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.radians(degrees)
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    colours: Rgb = np.clip(np.rint(rgb @ turn.T), 0, 255).astype(np.uint8)
    return colours
