"""Colour deconvolution: from colours to the amount of each stain, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.stains.optical_density import from_od, to_od

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.stains.vectors import StainVectors


def unmix(rgb: NDArray[np.uint8], vectors: StainVectors) -> NDArray[np.float32]:
    """Return the amount of each stain, in optical density along its unit vector.

    Ruifrok and Johnston 2001: amounts = OD · M⁻¹. Negative amounts are kept: they say
    that a colour lies outside the cone of the stains.

    Parameters
    ----------
    rgb
        (..., 3) uint8.
    vectors
        The three stains.

    Returns
    -------
    (..., 3) float32, in the order of ``vectors.names``.
    """
    amounts: NDArray[np.float32] = to_od(rgb) @ vectors.inverse().astype(np.float32)
    return amounts


def compose(amounts: NDArray[np.floating], vectors: StainVectors) -> NDArray[np.uint8]:
    """Return the colour of given amounts of stain on clear glass; the inverse of `unmix`."""
    return from_od(np.asarray(amounts, dtype=np.float32) @ vectors.rows().astype(np.float32))
