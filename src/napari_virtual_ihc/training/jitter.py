"""Random brightness, contrast and saturation, as torchvision's ``ColorJitter`` changes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.methods.recipe import Augmentation

Change = Literal["brightness", "contrast", "saturation"]
CHANGES: tuple[Change, ...] = ("brightness", "contrast", "saturation")
_GREY = np.array([0.2989, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Jitter:
    """Changes of colour in the order they are made.

    Attributes
    ----------
    changes
        What is changed, and by which factor; 1 changes nothing.
    """

    changes: tuple[tuple[Change, float], ...] = ()


def draw_jitter(settings: Augmentation, rng: np.random.Generator) -> Jitter:
    """Draw factors from 1 - share (at least 0) to 1 + share, and the order of the changes.

    Nothing is drawn where no share is above 0.
    """
    shares = {name: share for name in CHANGES if (share := float(getattr(settings, name))) > 0}
    if not shares:
        return Jitter()
    factors = [(name, float(rng.uniform(max(0, 1 - s), 1 + s))) for name, s in shares.items()]
    return Jitter(tuple(factors[index] for index in rng.permutation(len(factors))))


def jittered(rgb: NDArray[np.float32], jitter: Jitter) -> NDArray[np.float32]:
    """Return a picture, (h, w, 3) float32 from 0 to 255, with its colours changed.

    Each change is a blend, c · picture + (1 - c) · base, clipped to 0 to 255: the base is black
    for brightness, the mean grey for contrast, and each pixel's grey for saturation.
    """
    for change, factor in jitter.changes:
        blend = np.float32(factor) * rgb + np.float32(1 - factor) * _base(rgb, change)
        rgb = np.clip(blend, np.float32(0), np.float32(255))
    return rgb


def _base(rgb: NDArray[np.float32], change: Change) -> NDArray[np.float32]:
    if change == "brightness":
        return np.zeros(1, np.float32)
    grey: NDArray[np.float32] = rgb @ _GREY
    return np.full(1, grey.mean()) if change == "contrast" else grey[..., None]
