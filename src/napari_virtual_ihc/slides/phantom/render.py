"""Renders slide-anchored blocks of one stained section from tissue and cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_virtual_ihc.slides.phantom.cells import BLOCK_UM
from napari_virtual_ihc.slides.phantom.noise import Grid, apply_axes, linear_matrix, smooth
from napari_virtual_ihc.slides.phantom.optics import blur_px
from napari_virtual_ihc.slides.phantom.stamps import lay_cells
from napari_virtual_ihc.slides.phantom.stroma import lay_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.architecture import Architecture
    from napari_virtual_ihc.slides.phantom.cells import Population
    from napari_virtual_ihc.slides.phantom.fields import Fields
    from napari_virtual_ihc.slides.phantom.parameters import PhantomParameters, Section
    from napari_virtual_ihc.slides.phantom.section import Deformation
    from napari_virtual_ihc.slides.phantom.stamps import Canvas
    from napari_virtual_ihc.slides.phantom.stroma import Matrix

BLOCK_PX = 512
_MARGIN_UM = 3.0
_FIELD_UM = 2.0
_RESOLVED_UM = 0.35


@dataclass(frozen=True)
class Scene:
    """All that is needed to render a section: tissue, cells, and where it lies.

    Attributes
    ----------
    key
        Seed of the phantom.
    tissue, population, deformation, parameters
        See their classes.
    section
        ``"same"`` for the first section, ``"next"`` for the deformed one after it.
    """

    key: int
    tissue: Architecture
    population: Population
    deformation: Deformation
    parameters: PhantomParameters
    section: Section

    def fields(self, grid: Grid) -> Fields:
        """Return the tissue on a grid in this section's frame."""
        if self.section == "same":
            return self.tissue.sample(grid)
        rows, cols = grid.axes()
        y, x = self.deformation.to_first(*np.meshgrid(rows, cols, indexing="ij"))
        top, left = float(y.min()) - 2 * grid.step, float(x.min()) - 2 * grid.step
        count_y = int((y.max() - top) / grid.step) + 3
        count_x = int((x.max() - left) / grid.step) + 3
        source = Grid(top, left, count_y, count_x, grid.step)
        at = np.stack([(y - top) / grid.step - 0.5, (x - left) / grid.step - 0.5])
        return self.tissue.sample(source).map(
            lambda a: map_coordinates(a, at, order=1, mode="nearest", output=np.float32)
        )

    def cells(self, y0: float, x0: float, y1: float, x1: float) -> NDArray[np.void]:
        """Return the cells of a window of this section (µm), positions in its own frame."""
        if self.section == "same":
            return self._first_cells(y0, x0, y1, x1)
        corners = np.linspace(0, 1, 5)
        y, x = np.meshgrid(y0 + (y1 - y0) * corners, x0 + (x1 - x0) * corners, indexing="ij")
        y, x = self.deformation.to_first(y, x)
        cells = self._first_cells(y.min() - 6, x.min() - 6, y.max() + 6, x.max() + 6).copy()
        dy, dx = self.deformation.displacement(cells["y"], cells["x"])
        cells["y"] += dy
        cells["x"] += dx
        return cells[_inside(cells, y0, x0, y1, x1)]

    def _first_cells(self, y0: float, x0: float, y1: float, x1: float) -> NDArray[np.void]:
        rows = range(int(y0 // BLOCK_UM), int(y1 // BLOCK_UM) + 1)
        cols = range(int(x0 // BLOCK_UM), int(x1 // BLOCK_UM) + 1)
        blocks = [_block(self.population, r, c, self.section) for r in rows for c in cols]
        cells = np.concatenate(blocks)
        cells = cells[_inside(cells, y0, x0, y1, x1)]
        return cells[np.argsort(cells["id"])]


@lru_cache(maxsize=512)
def _block(population: Population, row: int, col: int, section: Section) -> NDArray[np.void]:
    return population.block(row, col, section)


def _inside(
    cells: NDArray[np.void], y0: float, x0: float, y1: float, x1: float
) -> NDArray[np.bool_]:
    rows = (cells["y"] >= y0) & (cells["y"] < y1)
    result: NDArray[np.bool_] = rows & (cells["x"] >= x0) & (cells["x"] < x1)
    return result


@dataclass(frozen=True)
class Picture:
    """One block before optics: grid with margin, tissue at full resolution, cells drawn."""

    grid: Grid
    margin: int
    fields: Fields
    cells: NDArray[np.void]
    canvas: Canvas
    matrix: Matrix


@lru_cache(maxsize=2)
def compose(scene: Scene, row: int, col: int, step: float) -> Picture:
    """Return the block ``row, col`` of 512 px at ``step`` µm/px, with a margin around it."""
    ratio = 1 << max(int(np.round(np.log2(_FIELD_UM / step))), 0)
    margin = int(np.ceil(max(_MARGIN_UM, 3 * step) / step / ratio)) * ratio
    side = BLOCK_PX + 2 * margin
    grid = Grid(
        (row * BLOCK_PX - margin) * step, (col * BLOCK_PX - margin) * step, side, side, step
    )
    fields = _fine_fields(scene, grid, ratio)
    reach = 17.0
    end_y, end_x = grid.y + side * step, grid.x + side * step
    cells = scene.cells(grid.y - reach, grid.x - reach, end_y + reach, end_x + reach)
    nuclear = scene.population.model.compartment == "nucleus"
    salt = scene.key * 1009 + (0 if scene.section == "same" else 500)
    texture = _grain(salt, grid), smooth(salt + 452, grid, max(1.7, step))
    canvas = lay_cells(cells, grid, texture, nuclear)
    matrix = lay_matrix(salt, grid, fields, canvas, cells["id"], scene.parameters.adipocyte_um)
    return Picture(grid, margin, fields, cells, canvas, matrix)


def _grain(salt: int, grid: Grid) -> NDArray[np.float32]:
    """Return chromatin grain; what only a 40x objective resolves is added at its scales."""
    grain = smooth(salt + 451, grid, max(0.75, grid.step))
    if grid.step < _RESOLVED_UM:
        grain = grain + 1.0 * smooth(salt + 453, grid, 0.4)
    return grain


def _fine_fields(scene: Scene, grid: Grid, ratio: int) -> Fields:
    coarse_step = grid.step * ratio
    rows, cols = grid.rows // ratio + 2, grid.cols // ratio + 2
    coarse = Grid(grid.y - coarse_step, grid.x - coarse_step, rows, cols, coarse_step)
    fields = scene.fields(coarse)
    if ratio == 1:
        return fields.map(lambda a: np.ascontiguousarray(a[1:-1, 1:-1]))
    along_y = linear_matrix((np.arange(grid.rows) + 0.5) / ratio + 0.5, rows)
    along_x = linear_matrix((np.arange(grid.cols) + 0.5) / ratio + 0.5, cols)
    return fields.map(lambda a: _enlarge(along_y, a, along_x))


def _enlarge(along_y: object, field: NDArray[np.float32], along_x: object) -> NDArray[np.float32]:
    if field.max() == field.min():
        size = along_y.shape[0], along_x.shape[0]  # type: ignore[attr-defined]
        return np.full(size, field.flat[0], np.float32)
    return apply_axes(along_y, field, along_x)


def he_concentrations(picture: Picture) -> tuple[NDArray[np.float32], ...]:
    """Return hematoxylin, eosin and red-cell OD of a block, margin included."""
    canvas, matrix = picture.canvas, picture.matrix
    visible = 1 - canvas.cover
    present = np.maximum(matrix.present, canvas.cover)
    hematoxylin = canvas.nuclear + matrix.hematoxylin * matrix.present * visible
    eosin = matrix.eosin * present * (1 - 0.30 * canvas.cover)
    return hematoxylin, eosin * (1 - 0.9 * canvas.red), 0.52 * canvas.red * visible


def dab_concentration(picture: Picture, compartment: str) -> NDArray[np.float32]:
    """Return chromogen OD of a block, margin included: signal, faint background, edge and rot."""
    canvas, matrix, fields = picture.canvas, picture.matrix, picture.fields
    signal = canvas.chromogen if compartment == "nucleus" else membrane(picture)
    edge = 0.05 * np.exp(-np.maximum(fields.inside, 0) / 18.0)
    false = 0.012 + edge + 0.05 * fields.necrosis
    result: NDArray[np.float32] = signal + false * matrix.present * (1 - 0.5 * canvas.cover)
    return result


def membrane(picture: Picture) -> NDArray[np.float32]:
    """Return membrane staining: a line where cells meet, incomplete when faint."""
    canvas = picture.canvas
    strength = np.append(picture.cells["expression"], 0.0).astype(np.float32)[canvas.owner]
    width = np.float32(max(0.75, 0.6 * picture.grid.step))
    meet = np.exp(-(((canvas.far - canvas.near) / (2 * width)) ** 2))
    free = np.exp(-(((canvas.near - 5.5) / width) ** 2)) * (canvas.far > 14)
    patchy = smooth(461, picture.grid, max(5.0, picture.grid.step))
    complete = np.clip(0.35 + 1.1 * strength + 0.30 * patchy, 0.0, 1.0)
    line = np.maximum(meet, free) * complete * (canvas.near < 12)
    diffuse = 0.10 * strength * (canvas.near < 9)
    result: NDArray[np.float32] = (strength * line * 1.1 + diffuse) * picture.matrix.epithelial
    return result * picture.matrix.present


def ihc_concentrations(
    picture: Picture, compartment: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return counterstain and chromogen OD of a block, margin included."""
    canvas, matrix = picture.canvas, picture.matrix
    dab = dab_concentration(picture, compartment)
    body = 0.45 * matrix.hematoxylin + 0.17 * matrix.eosin
    hematoxylin = 0.80 * canvas.nuclear * (1 - 0.35 * np.clip(dab, 0, 1))
    return hematoxylin + body * matrix.present * (1 - canvas.cover), dab


def blurred(
    field: NDArray[np.float32], grid: Grid, parameters: PhantomParameters
) -> NDArray[np.float32]:
    """Return a concentration as the scanner's blur shows it."""
    sigma = blur_px(parameters, grid.step)
    result: NDArray[np.float32] = gaussian_filter(field, sigma, truncate=3.0)
    return result
