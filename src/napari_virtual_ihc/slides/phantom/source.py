"""A phantom's section as a tile source: blocks rendered when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_virtual_ihc.slides.phantom.coarse import coarse_density
from napari_virtual_ihc.slides.phantom.noise import mix
from napari_virtual_ihc.slides.phantom.render import (
    BLOCK_PX,
    compose,
    he_concentrations,
    ihc_concentrations,
)
from napari_virtual_ihc.slides.source import ChunkSource, all_valid

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.phantom.optics import Optics
    from napari_virtual_ihc.slides.phantom.render import Scene
    from napari_virtual_ihc.slides.source import Pixels

DRAWN_UP_TO_UM = 2.1
"""Coarsest µm/px at which cells are drawn one by one."""

Stain = Literal["he", "ihc"]


def pyramid_shapes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return level shapes, each half the one before, down to at most 512 px a side."""
    shapes = [(height, width)]
    while max(shapes[-1]) > BLOCK_PX:
        shapes.append(((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2))
    return tuple(shapes)


class PhantomSource(ChunkSource):
    """Levels of one stained section.

    Every level is rendered at its own scale, none is a downsample of another. Up to 2.1 µm/px the
    same cells are drawn one by one; coarser levels show the same tissue with the mean light of
    its cells (analytic). A block of 512 px is a function of seed, level and index alone.
    """

    def __init__(
        self, scene: Scene, optics: Optics, stain: Stain, height: int, width: int, mpp: float
    ) -> None:
        shapes = pyramid_shapes(height, width)
        super().__init__(shapes, ((BLOCK_PX, BLOCK_PX),) * len(shapes))
        self._scene, self._optics, self._stain, self._mpp = scene, optics, stain, mpp

    def __reduce__(self) -> tuple[object, ...]:
        """Send the rule to another process, not the cache."""
        rule = self._scene, self._optics, self._stain, *self.shapes[0], self._mpp
        return PhantomSource, rule

    def decode(self, level: int, row: int, col: int) -> Pixels:
        """Return one block of 512 px, rendered."""
        step = self._mpp * 2**level
        compartment = self._scene.population.model.compartment
        if step > DRAWN_UP_TO_UM:
            density, grid, margin = coarse_density(
                self._scene, self._optics, self._stain, row, col, step
            )
        else:
            picture = compose(self._scene, row, col, step)
            grid, margin = picture.grid, picture.margin
            amounts = (
                he_concentrations(picture)
                if self._stain == "he"
                else ihc_concentrations(picture, compartment)
            )
            density = self._optics.density(amounts, grid, picture.fields.inside)
        noise = _generator(self._optics.key, level, row, col)
        return all_valid(self._optics.expose(density, grid, noise, margin))


def _generator(key: int, level: int, row: int, col: int) -> np.random.Generator:
    words = mix(np.array([key, key + 1]), level, row, col)
    return np.random.Generator(np.random.Philox(key=words))
