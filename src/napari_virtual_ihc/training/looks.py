"""What one picture looks like, in numbers that tell whether it can be trained on."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_virtual_ihc.stains.identity import StainKind, stain_kind
from napari_virtual_ihc.stains.tissue import tissue_fraction, tissue_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GLASS = (242, 242, 242)
_COARSE_SIDE = 256
_WIDEST_PX = 8.0


@dataclass(frozen=True)
class Look:
    """What one picture looks like.

    Attributes
    ----------
    pixels
        Hash of size and pixels: the same picture in another file has the same.
    height, width
        Pixels.
    tissue
        Share that is stained tissue, 0 to 1; glass is taken as 242 grey.
    contrast
        Standard deviation of brightness, grey levels.
    blur
        Width of its blur, pixels; see `blur_width`.
    stain
        H&E, IHC, or unknown.
    """

    pixels: str
    height: int
    width: int
    tissue: float
    contrast: float
    blur: float
    stain: StainKind


def look_at(rgb: NDArray[np.uint8], mpp: float) -> Look:
    """Return what a picture, (h, w, 3) uint8 at ``mpp`` µm/px, looks like.

    Tissue, contrast and stain are read off a reduced picture of at least 256 px a side.
    """
    height, width = rgb.shape[:2]
    pixels = np.ascontiguousarray(rgb)
    factor = max(1, min(height, width) // _COARSE_SIDE)
    small = np.asarray(Image.fromarray(pixels).reduce(factor)) if factor > 1 else pixels
    return Look(
        hashlib.sha256(b"%d %d " % (height, width) + pixels.tobytes()).hexdigest(),
        height,
        width,
        tissue_fraction(tissue_mask(small, mpp * factor, _GLASS)),
        float(brightness(small).std()),
        blur_width(rgb),
        stain_kind(small),
    )


def brightness(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean of red, green and blue, (h, w) float32."""
    red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
    return (red + green + blue) * np.float32(1 / 3)


def blur_width(rgb: NDArray[np.uint8]) -> float:
    """Return how blurred a picture is: the standard deviation σ of its blur, pixels.

    An image whose spectrum falls as 1/f², as that of tissue about does, has a gradient energy
    proportional to 1/(σ² + s²) once it is blurred by a Gaussian of s on top of its own σ. The
    energies at s² = 1/2 and 3/2 (one and three passes of the binomial filter 1-2-1) so give
    σ² = (3r - 1) / (2 - 2r), r being their ratio. The first pass keeps noise out of it.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8.

    Returns
    -------
    0 to 8; 0 for a picture without any gradient.
    """
    once = _binomial(brightness(rgb))
    fine, coarse = _gradient_energy(once), _gradient_energy(_binomial(_binomial(once)))
    if fine <= 0:
        return 0.0
    ratio = coarse / fine
    variance = (3 * ratio - 1) / (2 - 2 * ratio) if ratio < 1 else math.inf
    return min(_WIDEST_PX, math.sqrt(max(0.0, variance)))


def _binomial(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``image`` filtered by 1-2-1 both ways, a pixel less on every edge."""
    for _ in range(2):
        image = image[:-1] + image[1:]
        image = image[:, :-1] + image[:, 1:]
    return image * np.float32(1 / 16)


def _gradient_energy(image: NDArray[np.float32]) -> float:
    if min(image.shape) < 2:
        return 0.0
    down, right = np.diff(image, axis=0), np.diff(image, axis=1)
    return float(np.square(down).mean(dtype=np.float64) + np.square(right).mean(dtype=np.float64))
