"""Two painted slides that lie on each other, with a fake model over the first."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from scipy import ndimage

from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.warp import warp
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.widgets.aligned import Aligned
from napari_virtual_ihc.widgets.layers import slide_layer
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.source import Pixels
    from napari_virtual_ihc.widgets.session import Session

SIDE, RADIUS = 1024, 8
UNCHANGED = 2
"""The fake model's colour with which it gives back what it gets."""
SHIFTED = 512
"""The real slide is shifted by 50 µm from this column on, px."""


class ArraySource:
    """A slide from one array, in one level."""

    def __init__(self, rgb: np.ndarray) -> None:
        self.rgb = rgb
        self.shapes = (rgb.shape[:2],)
        self.tile_shapes = ((256, 256),)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> Pixels:
        return self.rgb[y : y + h, x : x + w].copy(), np.ones((h, w), bool)


@cache
def cells(seed: int = 3, brown: float = 0.4) -> np.ndarray:
    """Return blue and brown nuclei on pale tissue, (SIDE, SIDE, 3)."""
    rng = np.random.default_rng(seed)
    rgb = np.full((SIDE, SIDE, 3), (225, 215, 222), np.float64)
    rgb += rng.normal(0, 4, (SIDE, SIDE, 1))
    dots = np.zeros((2, SIDE, SIDE))
    places = rng.integers(12, SIDE - 12, (1500, 2))
    kinds = (rng.random(len(places)) < brown * (places[:, 0] / SIDE + 0.5)).astype(int)
    dots[kinds, places[:, 0], places[:, 1]] = 1
    for dot, colour in zip(dots, ((90, 80, 160), (120, 70, 40)), strict=True):
        shape = ndimage.distance_transform_edt(dot == 0) <= RADIUS
        rgb[shape] = colour
    return np.clip(ndimage.gaussian_filter(rgb, (0.7, 0.7, 0)), 0, 255).astype(np.uint8)


def shifted(rgb: np.ndarray) -> np.ndarray:
    """Return the picture with its right half moved down by 50 µm."""
    moved = rgb.copy()
    moved[:, SHIFTED:] = np.roll(rgb, 100, axis=0)[:, SHIFTED:]
    return moved


def he_slide() -> Slide:
    return Slide("he.svs", ArraySource(cells()), 0.5)


def browner_slide() -> Slide:
    """Return the same nuclei, of which more are brown the farther right they lie."""
    pale, dark = cells(), cells(brown=1.0).copy()
    dark[:, :SHIFTED] = pale[:, :SHIFTED]
    return Slide("browner.svs", ArraySource(dark), 0.5)


def ihc_slide() -> Slide:
    return Slide("ihc.svs", ArraySource(shifted(cells())), 0.5)


def registered(session: Session, ihc: Slide | None = None) -> Aligned:
    """Lay a second slide onto the chosen one, by the map that moves nothing."""
    fixed = session.chosen
    assert fixed is not None
    data, arguments, _ = slide_layer(ihc or ihc_slide())
    session.viewer.add_layer(Image(data, **arguments))
    assert wait_until_settled(session, 20)
    moving = session.slides()[-1]
    sections = Section.of(fixed.slide), Section.of(moving.slide)
    found = Registration(Mapping(np.eye(2, 3)), *sections)
    aligned = Aligned(found, fixed, moving, warp(found, moving.slide))
    session.align(aligned)
    return aligned
