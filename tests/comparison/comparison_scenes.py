"""Small slides for comparing: pictures held in memory."""

from __future__ import annotations

import numpy as np

from napari_virtual_ihc.slides.pyramid import with_pyramid
from napari_virtual_ihc.slides.slide import Slide


class Picture:
    """A picture as a slide's source of one level."""

    def __init__(self, rgb: np.ndarray) -> None:
        self._rgb = rgb
        self.shapes = (rgb.shape[:2],)
        self.tile_shapes = ((256, 256),)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
        assert level == 0
        return self._rgb[y : y + h, x : x + w].copy(), np.ones((h, w), dtype=bool)


def slide_of(rgb: np.ndarray, mpp: float, name: str = "picture") -> Slide:
    return Slide(name, with_pyramid(Picture(rgb)), mpp, trusted=True)
