"""The optical density of DAB as clinical papers measure it: of the grey of a DAB-only picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.vectors import DAB, EOSIN, HEMATOXYLIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST = 1e-6
_GREY = np.array([0.2125, 0.7154, 0.0721])


def dab_grey_density(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return log10(255 / grey) of a picture's DAB alone, (…) from 0 to 2.4.

    Colours are unmixed with Ruifrok's vectors as published (not of length 1), all but DAB is taken
    away, and grey is an integer of 1 to 255, as in ImageJ's uncalibrated OD.

    Parameters
    ----------
    rgb
        (…, 3) uint8.
    """
    vectors = np.array([HEMATOXYLIN, EOSIN, DAB])
    density = np.log(np.maximum(rgb / 255.0, _LEAST)) / math.log(_LEAST)
    dab = np.maximum(density @ np.linalg.inv(vectors), 0)[..., 2:]
    alone = np.clip(np.exp(dab * math.log(_LEAST) * vectors[2]), 0, 1)
    grey = np.clip(np.rint(alone @ _GREY * 255), 1, 255)
    found: NDArray[np.float64] = np.log10(255 / grey)
    return found
