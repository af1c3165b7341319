"""Small made-up sections: blobs of tissue on glass, H&E pink or IHC blue, drawn through a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.registration.grids import centres
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.slides.source import all_valid

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.source import Pixels

MPP, SIDE = 8.0, 320
EOSIN, BLUE = (0.15, 0.45, 0.2), (0.3, 0.28, 0.14)


class ArraySource:
    """One level held in memory."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels
        self.shapes = (pixels.shape[:2],)
        self.tile_shapes = ((64, 64),)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        return all_valid(self.pixels[y : y + h, x : x + w].copy())


def slide_of(pixels: NDArray[np.uint8], name: str, mpp: float | None = MPP) -> Slide:
    return Slide(name, ArraySource(pixels), mpp)


def section(
    seed: int,
    colour: tuple[float, float, float],
    place: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda points: points,
    side: int = SIDE,
) -> NDArray[np.uint8]:
    """Draw tissue ``seed``; ``place`` says which tissue point (µm) each pixel shows."""
    draw = np.random.default_rng(seed)
    size = 420
    fine = ndimage.gaussian_filter(draw.standard_normal((size, size)), 2)
    rough = ndimage.gaussian_filter(draw.standard_normal((size, size)), 12)
    y, x = np.mgrid[:size, :size] - size / 2
    angle = np.arctan2(y, x)
    edge = 115 + 14 * np.sin(2 * angle + seed) + 10 * np.cos(3 * angle)
    inside = ndimage.gaussian_filter((np.hypot(y, x) < edge).astype(float), 1)
    amount = inside * np.clip(0.6 + 3.0 * fine + 6.0 * rough, 0.05, 2.0)
    seats = place(centres((side, side), MPP)) / MPP - 0.5 + (size - SIDE) / 2
    seen = ndimage.map_coordinates(amount, np.moveaxis(seats, -1, 0), order=1)
    return (242 * 10.0 ** -(seen[..., None] * colour)).astype(np.uint8)
