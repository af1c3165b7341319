"""Levels too coarse to draw cells: what a scanner would see on average, from tissue alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from napari_virtual_ihc.slides.phantom.cells import CELL
from napari_virtual_ihc.slides.phantom.fields import step_up
from napari_virtual_ihc.slides.phantom.marker import stain_strength
from napari_virtual_ihc.slides.phantom.noise import Grid, smooth
from napari_virtual_ihc.slides.phantom.render import (
    BLOCK_PX,
    Picture,
    he_concentrations,
    ihc_concentrations,
)
from napari_virtual_ihc.slides.phantom.stamps import blank_canvas
from napari_virtual_ihc.slides.phantom.stroma import lay_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.fields import Fields
    from napari_virtual_ihc.slides.phantom.optics import Optics
    from napari_virtual_ihc.slides.phantom.render import Scene
    from napari_virtual_ihc.slides.phantom.stroma import Matrix

_MARGIN = 4


@dataclass(frozen=True)
class Average:
    """Mean nuclei on a grid: share of area, hematoxylin OD, share that is stained, membrane OD."""

    cover: NDArray[np.float32]
    load: NDArray[np.float32]
    stained: NDArray[np.float32]
    membrane: NDArray[np.float32]


def coarse_density(
    scene: Scene, optics: Optics, stain: str, row: int, col: int, step: float
) -> tuple[NDArray[np.float32], Grid, int]:
    """Return the optical density (3, rows, cols) of a block at ``step`` µm/px, grid and margin.

    Light of nuclei and of what lies between is averaged, not optical density, as a scanner does.
    """
    side = BLOCK_PX + 2 * _MARGIN
    origin = (row * BLOCK_PX - _MARGIN) * step, (col * BLOCK_PX - _MARGIN) * step
    grid = Grid(*origin, side, side, step)
    fields = scene.fields(grid)
    salt = scene.key * 1009 + (0 if scene.section == "same" else 500)
    canvas, none = blank_canvas(grid.shape), np.zeros(0, CELL)
    matrix = lay_matrix(salt, grid, fields, canvas, none["id"], scene.parameters.adipocyte_um)
    average = _average(scene, fields, matrix, grid, salt)
    light = np.zeros((3, *grid.shape), np.float32)
    between = Picture(grid, _MARGIN, fields, none, canvas, matrix)
    nuclei = Picture(grid, _MARGIN, fields, none, canvas, matrix)
    covered = average.cover * matrix.present
    canvas.chromogen[:] = average.membrane
    light += (1 - covered) * _light(between, optics, stain)
    canvas.cover[:], canvas.nuclear[:] = 1.0, average.load
    positive = average.stained if stain == "ihc" else np.zeros_like(covered)
    light += covered * (1 - positive) * _light(nuclei, optics, stain)
    if stain == "ihc":
        canvas.chromogen[:] = 0.55
        light += covered * positive * _light(nuclei, optics, stain)
    return -np.log10(np.maximum(light, 1e-4)), grid, _MARGIN


def _light(picture: Picture, optics: Optics, stain: str) -> NDArray[np.float32]:
    amounts = (
        he_concentrations(picture) if stain == "he" else ihc_concentrations(picture, "nucleus")
    )
    density = optics.density(amounts, picture.grid, picture.fields.inside)
    light: NDArray[np.float32] = np.power(np.float32(10), -density)
    return light


def _average(scene: Scene, fields: Fields, matrix: Matrix, grid: Grid, salt: int) -> Average:
    p, model = scene.parameters, scene.population.model
    vesicular = 1 / (1 + np.exp(-2.0 * (fields.activity * p.activity_smooth - 0.25)))
    nest = step_up(fields.nest, -0.5 * grid.step, 0.5 * grid.step) * (1 - fields.necrosis)
    gland = np.clip(matrix.epithelial - nest, 0, 1)
    crowd = 1 + 0.12 * fields.crowd
    in_nest = (0.29 + 0.16 * vesicular) * crowd
    rest = 0.02 + 0.03 * fields.immune**2
    rest = rest + 0.33 * fields.lymphoid
    cover = nest * in_nest + gland * 0.45 + (1 - matrix.epithelial) * rest * (1 - fields.fat)
    cells = np.maximum(cover / 60.0 * grid.step**2, 0.05)
    wave = smooth(salt + 471, grid, max(9.0, 1.1 * grid.step))
    cover = np.clip(cover * (1 + wave * np.minimum(0.8, 0.7 / np.sqrt(cells))), 0, 0.9)
    load = p.inactive_load + (p.active_load - p.inactive_load) * vesicular
    load = nest * load + (1 - nest) * 0.72
    score = model.visible * p.activity_smooth * fields.activity + model.hidden * fields.hidden
    spread = np.hypot(model.cellular, model.visible * np.sqrt(1 - p.activity_smooth**2))
    excess = (score - scene.population.threshold) / spread
    strength = stain_strength(score - scene.population.threshold, model)
    nuclear = model.compartment == "nucleus"
    stained = ndtr(excess) * nest if nuclear else np.zeros_like(cover)
    membrane = 0.33 * strength * nest if not nuclear else np.zeros_like(cover)
    return Average(*(a.astype(np.float32) for a in (cover, load, stained, membrane)))
