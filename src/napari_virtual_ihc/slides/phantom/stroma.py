"""What lies between the cells: collagen, cytoplasm, fat, lumina, necrosis, as concentrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom.fields import step_up
from napari_virtual_ihc.slides.phantom.noise import Grid, line_noise, smooth, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.fields import Fields
    from napari_virtual_ihc.slides.phantom.stamps import Canvas


@dataclass(frozen=True)
class Matrix:
    """Tissue without nuclei on a grid.

    Attributes
    ----------
    eosin, hematoxylin
        Concentrations (OD) of cytoplasm and fibres.
    present
        How much of the thickness is tissue, in [0, 1]; 0 in lumina, fat and glass.
    epithelial
        Weight of tumour and duct cytoplasm, in [0, 1].
    """

    eosin: NDArray[np.float32]
    hematoxylin: NDArray[np.float32]
    present: NDArray[np.float32]
    epithelial: NDArray[np.float32]


def lay_matrix(
    key: int,
    grid: Grid,
    fields: Fields,
    canvas: Canvas,
    identities: NDArray[np.uint64],
    fat_pitch: float,
) -> Matrix:
    """Return the tissue between nuclei on a grid.

    Parameters
    ----------
    fields
        Tissue on the same grid.
    identities
        Of the cells whose rows ``canvas.owner`` holds: each cytoplasm has its own tint.
    fat_pitch
        Distance between fat cells (µm).
    """
    soft = max(0.7, 0.45 * grid.step)
    grain = _texture(key + 401, grid, 1.0)
    if grid.step < 0.35:
        grain += 0.25 * smooth(key + 405, grid, 0.4)
    mottle = _texture(key + 402, grid, 4.0)
    ragged = fields.nest + 0.9 * mottle
    nest = step_up(ragged, -soft, soft)
    gland = step_up(fields.duct + 0.3 * mottle, -soft, soft)
    wall = step_up(fields.duct - fields.duct_wall + 0.9 * mottle, soft, -soft) * gland
    epithelial = np.maximum(nest, wall)
    eosin, hematoxylin, stroma = _collagen(key, grid, fields, grain, mottle)
    cell = _cytoplasm(canvas, identities, fields, grain, mottle)
    eosin += (cell[0] - eosin) * epithelial
    hematoxylin += (cell[1] - hematoxylin) * epithelial
    present = stroma + (1 - stroma) * epithelial
    present = present * (1 - _clefts(key, grid, fields, mottle))
    rot = fields.necrosis * nest
    eosin += (0.26 + 0.05 * grain + 0.04 * mottle - eosin) * rot
    hematoxylin += (0.05 + 0.03 * mottle - hematoxylin) * rot
    present *= 1 - _cavities(fields, grain, mottle, soft) * (1 - np.clip(canvas.red, 0, 1))
    if fields.fat.max() > 0.02:
        rims = _adipocytes(key, grid, fat_pitch, mottle)
        open_fat = step_up(fields.fat + 0.06 * mottle, 0.35, 0.6)
        present *= 1 - open_fat * (1 - rims)
        eosin += (0.20 - eosin) * open_fat
    present *= step_up(fields.inside + 0.8 * mottle, -soft, soft)
    floor = np.float32(0.0)
    return Matrix(np.maximum(eosin, floor), np.maximum(hematoxylin, floor), present, epithelial)


def _collagen(
    key: int,
    grid: Grid,
    fields: Fields,
    grain: NDArray[np.float32],
    mottle: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    phase = fields.phase + 0.10 * mottle
    bundle = line_noise(key + 411, phase) * _fade(grid, 8.0)
    fibre = line_noise(key + 412, 3.1 * phase + 0.30 * mottle) * _fade(grid, 2.6)
    thread = line_noise(key + 414, 7.3 * phase + 0.30 * mottle) * _fade(grid, 1.1)
    patch = _texture(key + 403, grid, 17.0)
    dense = 0.55 * fields.dense + 0.5 * patch
    thick = 0.55 * bundle + 0.62 * fibre + 0.5 * thread + 0.6 * dense + 0.25 * grain
    eosin = 0.225 + 0.092 * np.clip(thick, -1.8, 2.3) + 0.018 * grain
    slit = (
        line_noise(key + 413, 1.6 * phase + 0.25 * mottle) * _fade(grid, 5.0)
        + 0.55 * patch
        - 0.5 * fields.dense
    )
    gap = step_up(slit + 0.35 * fields.lymphoid, 1.35, 1.95)
    present = 1 - 0.82 * gap
    hematoxylin = 0.058 - 0.010 * np.clip(thick, -2, 2) + 0.04 * fields.lymphoid
    return eosin, hematoxylin, present


def _cytoplasm(
    canvas: Canvas,
    identities: NDArray[np.uint64],
    fields: Fields,
    grain: NDArray[np.float32],
    mottle: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    own = np.append(uniform(identities, 421), 0.5).astype(np.float32) - np.float32(0.5)
    tint = own[canvas.owner]
    border = np.exp(-(((canvas.far - canvas.near) / 0.9) ** 2))
    halo = np.exp(-((canvas.near / 0.8) ** 2)) * (tint > 0.1)
    spread = step_up(canvas.near, 0.0, 7.0)
    eosin = 0.215 + 0.10 * tint + 0.045 * grain + 0.02 * mottle + 0.02 * fields.tint
    eosin = eosin + 0.05 * border - 0.07 * halo - 0.05 * spread
    hematoxylin = 0.135 + 0.07 * tint + 0.034 * grain + 0.012 * mottle - 0.03 * halo
    return eosin, hematoxylin


def _fade(grid: Grid, size: float) -> np.float32:
    """Return what averaging over a sample leaves of the contrast of structures of a size (µm)."""
    return np.float32(min(1.0, (size / grid.step) ** 1.5))


def _texture(key: int, grid: Grid, scale: float) -> NDArray[np.float32]:
    return smooth(key, grid, max(scale, 1.2 * grid.step)) * _fade(grid, scale)


def _clefts(
    key: int, grid: Grid, fields: Fields, mottle: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the white retraction clefts that open here and there around nests."""
    where = step_up(smooth(key + 404, grid, 60.0), 0.75, 1.6)
    width = 3.2 * where
    centre = fields.nest + 2.2 + 0.5 * mottle
    result: NDArray[np.float32] = (
        where * step_up(width - np.abs(centre), -0.4, 0.8) * _fade(grid, 4.0)
    )
    return result


def _cavities(
    fields: Fields, grain: NDArray[np.float32], mottle: NDArray[np.float32], soft: float
) -> NDArray[np.float32]:
    """Return how empty the lumina of nests, ducts and vessels are, in [0, 1]."""
    inner = step_up(fields.lumen + 0.9 * mottle + 0.2 * grain, -soft, soft)
    duct = step_up(fields.duct - fields.duct_wall + 0.9 * mottle, 0.2 - soft, 0.2 + soft)
    vessel = step_up(fields.vessel - fields.vessel_wall + 0.3 * mottle, 0.2 - soft, 0.2 + soft)
    debris = 0.16 * step_up(mottle + 0.5 * grain, 1.0, 2.2)
    result: NDArray[np.float32] = np.maximum(np.maximum(inner, duct), vessel) * (0.97 - debris)
    return result


def _adipocytes(
    key: int, grid: Grid, pitch: float, mottle: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the thin rims of fat cells: the borders of a jittered Voronoi pattern."""
    if grid.step > 8.0:
        return np.full(grid.shape, 3.4 / pitch, np.float32)
    rows, cols = grid.axes()
    iy = np.arange(int(rows[0] // pitch) - 2, int(rows[-1] // pitch) + 3)
    ix = np.arange(int(cols[0] // pitch) - 2, int(cols[-1] // pitch) + 3)
    jy, jx = (a.ravel().astype(np.int64) for a in np.meshgrid(iy, ix, indexing="ij"))
    y = (jy + 0.5 + 0.8 * (uniform(jy, jx, key, 431) - 0.5)) * pitch
    x = (jx + 0.5 * (jy % 2) + 0.5 + 0.8 * (uniform(jy, jx, key, 432) - 0.5)) * pitch
    bent_y = (rows - grid.y)[:, None].astype(np.float32) + 5 * smooth(key + 433, grid, 34.0)
    bent_x = (cols - grid.x)[None, :].astype(np.float32) + 5 * smooth(key + 434, grid, 34.0)
    gap = _cell_gap(y - grid.y, x - grid.x, bent_y, bent_x, grid.step, 1.35 * pitch)
    base = max(1.5, 0.8 * grid.step)
    width = base * np.maximum(1 + 0.15 * mottle, 0.4)
    result: NDArray[np.float32] = np.exp(-((gap / width) ** 2)) * min(1.0, 1.9 / base)
    return result


def _cell_gap(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    bent_y: NDArray[np.float32],
    bent_x: NDArray[np.float32],
    step: float,
    reach: float,
) -> NDArray[np.float32]:
    """Return the difference of distances to the second nearest and the nearest point (µm)."""
    near = np.full(bent_y.shape, 1e3, np.float32)
    far = near.copy()
    for cy, cx in zip(y, x, strict=True):
        rows = slice(max(int((cy - reach) / step), 0), max(int((cy + reach) / step), 0))
        cols = slice(max(int((cx - reach) / step), 0), max(int((cx + reach) / step), 0))
        here = rows, cols
        dy, dx = bent_y[here] - np.float32(cy), bent_x[here] - np.float32(cx)
        away = np.sqrt(dy * dy + dx * dx)
        far[here] = np.minimum(far[here], np.maximum(near[here], away))
        near[here] = np.minimum(near[here], away)
    return far - near
