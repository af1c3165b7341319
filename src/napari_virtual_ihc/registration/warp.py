"""The moving slide as it would lie on the fixed one: lazy at every level, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.registration.affine import shape_of
from napari_virtual_ihc.registration.grids import centres
from napari_virtual_ihc.slides.pyramid import halved_shapes
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.slides.source import GLASS, ChunkSource, scales_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.registration.affine import Points
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.source import Pixels

_TILE = 512
_SMALLEST = 512
_MARGIN = 2
_BORROWED_PX = 3


@dataclass(frozen=True)
class WarpedSlide(Slide):
    """A slide whose name follows from what it is made of, so that naming it reads nothing."""

    identity: str = ""

    def absent(self, y_um: float, x_um: float, h: int, w: int, mpp: float) -> NDArray[np.bool_]:
        """Return where a region lies off the moving slide, or near enough to borrow from there."""
        corner = np.array([round(y_um / mpp), round(x_um / mpp)]) * mpp
        source = self.source
        if not isinstance(source, WarpedSource):
            return super().absent(y_um, x_um, h, w, mpp)
        return source.off(centres((h, w), mpp) + corner, _BORROWED_PX * mpp)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits of the slide and the map."""
        return self.identity


def warp(registration: Registration, slide: Slide) -> Slide:
    """Return the moving slide on the fixed slide's pixels; nothing is read or written yet.

    Each tile of each level is interpolated (linear) from the region of the moving slide that it
    shows, read at the scale of that level. Pixels off the moving slide are not valid.

    Raises
    ------
    RegistrationError
        Where ``slide`` is not the one registered.
    """
    registration.require(moving=slide)
    field = registration.mapping.field
    parts = [registration.mapping.affine.tobytes()]
    parts += [] if field is None else [
        field.values.tobytes(), repr((field.origin, field.spacing)).encode()
    ]  # fmt: skip
    fixed = registration.fixed
    identity = hash_of("warped/1", slide.fingerprint, list(fixed.shape), fixed.mpp, *parts)
    return WarpedSlide(
        f"{slide.name} (registered)", WarpedSource(registration, slide), fixed.mpp, "registered",
        slide.notes + registration.notes, True, identity,
    )  # fmt: skip


class WarpedSource(ChunkSource):
    """Tiles of the fixed slide's grid, filled from the moving slide.

    Parameters
    ----------
    registration
        Fixed → moving.
    slide
        The moving slide.
    """

    def __init__(self, registration: Registration, slide: Slide) -> None:
        shape = registration.fixed.shape
        shapes = (shape, *halved_shapes(shape, _SMALLEST))
        super().__init__(shapes, ((_TILE, _TILE),) * len(shapes))
        self._registration, self._slide = registration, slide
        self._scales = scales_of(shapes)

    @property
    def registration(self) -> Registration:
        """How the moving slide lies on the fixed one."""
        return self._registration

    def __reduce__(self) -> tuple[object, ...]:
        """Send the registration and the slide to another process, not the cache."""
        return WarpedSource, (self._registration, self._slide)

    def decode(self, level: int, row: int, col: int) -> Pixels:
        """Return one tile; a function of level, row and column alone."""
        height, width = self.shapes[level]
        corner = np.array([row * _TILE, col * _TILE])
        size = min(_TILE, height - corner[0]), min(_TILE, width - corner[1])
        mpp = self._registration.fixed.mpp * self._scales[level]
        points = centres((int(size[0]), int(size[1])), mpp) + corner * mpp
        return self._sampled(self._registration.to_moving(points), mpp)

    def off(self, points: Points, margin_um: float) -> NDArray[np.bool_]:
        """Return which points (..., 2) in fixed µm lie off the moving slide or within a margin."""
        return ~self._inside(self._registration.to_moving(points), margin_um)

    def _sampled(self, moving: Points, mpp: float) -> Pixels:
        """Return the moving slide at points (h, w, 2) in its µm, ``mpp`` apart before the map."""
        inside: NDArray[np.bool_] = self._inside(moving)
        pixels = np.full((*inside.shape, 3), GLASS, np.uint8)
        if not bool(inside.any()):
            return pixels, inside
        step = mpp * shape_of(self._registration.mapping.affine).scale
        step = max(step, self._slide.require_mpp())
        seats = moving / step - 0.5
        low = np.floor(seats[inside].min(axis=0)).astype(int) - _MARGIN
        high = np.ceil(seats[inside].max(axis=0)).astype(int) + _MARGIN + 1
        top, left = (float(n) * step for n in low)
        rows, cols = (int(n) for n in high - low)
        source = self._slide.region(top, left, rows, cols, step)
        places = np.moveaxis(np.clip(seats - low, 0, high - low - 1), -1, 0)
        for band in range(3):
            values = ndimage.map_coordinates(
                source.pixels[..., band].astype(np.float32), places, order=1
            )
            pixels[..., band][inside] = np.rint(values[inside]).astype(np.uint8)
        return pixels, np.logical_and(inside, _all_valid(source.valid, places))

    def _inside(self, moving: Points, margin_um: float = 0.0) -> NDArray[np.bool_]:
        end = np.array(self._slide.size_um) - margin_um
        return np.asarray(((moving >= margin_um) & (moving < end)).all(axis=-1), np.bool_)


def _all_valid(valid: NDArray[np.bool_], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    if valid.all():
        return np.ones(places.shape[1:], np.bool_)
    share = ndimage.map_coordinates(valid.astype(np.float32), places, order=1)
    return np.asarray(share > 1 - 1e-3, np.bool_)
