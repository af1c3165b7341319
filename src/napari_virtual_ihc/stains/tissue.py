"""Where there is tissue: glass and pen marks told apart from stained section."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.stains.optical_density import to_od

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASK_VERSION = 1
_TISSUE_OD = 0.1
_SMOOTHING_UM = 4.0
_STROKE_UM = 40.0
_DIMMEST_GLASS = 165
_LEAST_GLASS = 0.01
_DEFAULT_GLASS = (242, 242, 242)


def glass_colour(rgb: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the colour of clear glass: the median of the brightest, least coloured pixels.

    Parameters
    ----------
    rgb
        Picture of the whole slide, (h, w, 3) uint8.

    Returns
    -------
    Red, green, blue, 0 to 255; 242 grey where under 1 % of the picture looks like glass.
    """
    pixels = rgb.reshape(-1, 3)
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    plain = (low > _DIMMEST_GLASS) & (high - low < 12)
    if not pixels.size or plain.mean() < _LEAST_GLASS:
        return _DEFAULT_GLASS
    bright = pixels[plain & (low >= np.median(low[plain]))]
    red, green, blue = np.median(bright, axis=0)
    return int(red), int(green), int(blue)


def tissue_mask(
    rgb: NDArray[np.uint8], mpp: float, glass: tuple[int, int, int] | None = None
) -> NDArray[np.bool_]:
    """Return where a picture shows stained tissue, pen marks excluded.

    The sum of the three optical densities above glass, averaged over 4 µm, is over 0.1,
    and the colour is not that of a pen.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8.
    mpp
        Scale in µm/px.
    glass
        Colour of glass; estimated from the picture where not given. For an answer that
        does not depend on the crop, give the slide's.

    Returns
    -------
    (h, w) bool.
    """
    clear = to_od(np.asarray(glass or glass_colour(rgb), dtype=np.uint8))
    density = np.maximum(to_od(rgb) - clear, 0).sum(axis=-1)
    size = max(1, round(_SMOOTHING_UM / mpp))
    smooth = ndimage.uniform_filter(density, size=size, mode="nearest")
    mask: NDArray[np.bool_] = (smooth > _TISSUE_OD) & ~pen_mask(rgb, mpp)
    return mask


def pen_mask(rgb: NDArray[np.uint8], mpp: float) -> NDArray[np.bool_]:
    """Return where a picture shows felt-tip pen: green, blue or black ink.

    Ink is purer than any dye of pathology (green brightest, blue far above both others, or
    dark without colour), and a stroke is wide: ink colours must fill half of a window of
    40 µm, which no nucleus does. Red ink is not recognised: its colour is that of eosin.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8.
    mpp
        Scale in µm/px.

    Returns
    -------
    (h, w) bool.
    """
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    blue_ink = (blue > red + 70) & (blue > green + 45) & (green > red - 5)
    most, least = (of(of(red, green), blue) for of in (np.maximum, np.minimum))
    black_ink = (most < 60) & (most - least < 18)
    ink = green_ink(rgb) | blue_ink | black_ink
    size = max(1, round(_STROKE_UM / mpp))
    wide = ndimage.uniform_filter(ink.astype(np.float32), size=size, mode="nearest") > 0.5
    strokes: NDArray[np.bool_] = ink & wide
    return strokes


def green_ink(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels of (…, 3) uint8 are as green as ink, a colour that no stain gives."""
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    ink: NDArray[np.bool_] = (green > red + 15) & (green > blue - 10) & (red < 180)
    return ink


def tissue_fraction(mask: NDArray[np.bool_]) -> float:
    """Return the share of a mask that is tissue, 0 to 1; 0 for an empty mask."""
    return float(mask.mean()) if mask.size else 0.0
