"""Nuclei and red cells as small pictures, made many at a time and laid onto a canvas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom.noise import uniform
from napari_virtual_ihc.slides.phantom.parameters import CellKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.noise import Grid

_EDGE_UM = 0.28
_BATCH = 160


@dataclass(frozen=True)
class Canvas:
    """Sums of concentrations and cell territories on a grid.

    Attributes
    ----------
    nuclear, chromogen, red
        OD of hematoxylin in nuclei, of chromogen in nuclei, and of red cells.
    cover
        Share of the section's thickness taken by nuclei, in [0, 1].
    near, far
        Distance (µm) to the nearest and second nearest nucleus' edge among tumour and epithelium.
    owner
        Row of the cell table of the nearest one, -1 where none is within reach.
    """

    nuclear: NDArray[np.float32]
    chromogen: NDArray[np.float32]
    red: NDArray[np.float32]
    cover: NDArray[np.float32]
    near: NDArray[np.float32]
    far: NDArray[np.float32]
    owner: NDArray[np.int32]


@dataclass(frozen=True)
class _Batch:
    rows: NDArray[np.intp]
    top: NDArray[np.intp]
    left: NDArray[np.intp]
    size: int
    outside: NDArray[np.float32]
    depth: NDArray[np.float32]
    v: NDArray[np.float32]
    u: NDArray[np.float32]


def blank_canvas(shape: tuple[int, int]) -> Canvas:
    """Return a canvas without cells."""
    nuclear, chromogen, red, cover = (np.zeros(shape, np.float32) for _ in range(4))
    near, far = (np.full(shape, 99.0, np.float32) for _ in range(2))
    return Canvas(nuclear, chromogen, red, cover, near, far, np.full(shape, -1, np.int32))


def lay_cells(
    cells: NDArray[np.void],
    grid: Grid,
    texture: tuple[NDArray[np.float32], NDArray[np.float32]],
    nuclear_marker: bool,
) -> Canvas:
    """Draw cells (dtype ``CELL``, positions in the frame of the grid) in the order given.

    Parameters
    ----------
    texture
        Two unit-variance noise fields on the grid, fine (about 0.7 µm) and coarse (about 1.8 µm).
    nuclear_marker
        Whether expression is drawn in the nucleus.
    """
    canvas = blank_canvas(grid.shape)
    for batch in _batches(cells, grid):
        members = cells[batch.rows]
        fine, coarse = (_cut(field, batch) for field in texture)
        cover = _inside(batch.outside, grid.step) * _column(members["depth"])
        red = members["kind"] == CellKind.RED_CELL
        dense = _chromatin(members, batch, fine, coarse)
        ink = cover * dense
        stained = np.zeros_like(ink)
        if nuclear_marker:
            grain = np.maximum(1 + 0.16 * fine + 0.16 * coarse - 0.25 * (dense < 0), 0.2)
            stained = cover * _column(members["expression"]) * grain
        _lay(canvas, batch, cover, ink, stained, red, grid.shape)
    territory = np.isin(cells["kind"], (CellKind.TUMOUR, CellKind.EPITHELIUM))
    _lay_territories(canvas, cells, np.flatnonzero(territory), grid)
    return canvas


def _column(values: NDArray[np.generic]) -> NDArray[np.float32]:
    return values.astype(np.float32)[:, None, None]


def _inside(outside: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    soft = np.float32(max(_EDGE_UM, 0.45 * step))
    result: NDArray[np.float32] = 1 / (1 + np.exp(np.clip(outside / soft, -30, 30)))
    return result


def _batches(cells: NDArray[np.void], grid: Grid) -> Iterator[_Batch]:
    long_axis = cells["diameter"] * np.sqrt(cells["aspect"])
    half = np.ceil((0.6 * long_axis + 1.2) / grid.step).astype(int) + 1
    half = np.asarray([3, 5, 7, 9, 12, 16, 20, 24, 32, 40, 56, 80, 120])[
        np.searchsorted([3, 5, 7, 9, 12, 16, 20, 24, 32, 40, 56, 80], half)
    ]
    for size in np.unique(half):
        members = np.flatnonzero(half == size)
        for start in range(0, len(members), _BATCH):
            yield _shape(cells, members[start : start + _BATCH], int(size), grid)


def _shape(cells: NDArray[np.void], rows: NDArray[np.intp], half: int, grid: Grid) -> _Batch:
    cell = cells[rows]
    at_y, at_x = (cell["y"] - grid.y) / grid.step - 0.5, (cell["x"] - grid.x) / grid.step - 0.5
    top, left = np.floor(at_y).astype(int) - half + 1, np.floor(at_x).astype(int) - half + 1
    offset = np.arange(2 * half)
    dy = ((offset - (at_y - top)[:, None]) * grid.step).astype(np.float32)[:, :, None]
    dx = ((offset - (at_x - left)[:, None]) * grid.step).astype(np.float32)[:, None, :]
    cos, sin = _column(np.cos(cell["angle"])), _column(np.sin(cell["angle"]))
    root = np.sqrt(cell["aspect"])
    long, short = _column(cell["diameter"] / 2 * root), _column(cell["diameter"] / 2 / root)
    u, v = (dx * cos + dy * sin) / long, (dy * cos - dx * sin) / short
    rho = np.sqrt(u * u + v * v) + np.float32(1e-4)
    outside = (rho - _outline(cell, u / rho, v / rho)) * np.sqrt(long * short)
    return _Batch(rows, top, left, 2 * half, outside, _column(cell["depth"]), v, u)


def _outline(
    cell: NDArray[np.void], c: NDArray[np.float32], s: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return a low-order Fourier radius: bean, triangle and square waves of a few per cent."""
    draw = [_column(2 * uniform(cell["id"], 50 + k) - 1) for k in range(6)]
    gain = np.where(np.isin(cell["kind"], (CellKind.LYMPHOCYTE, CellKind.RED_CELL)), 0.45, 1.0)
    c2, s2 = c * c - s * s, 2 * s * c
    c3, s3 = c * c2 - s * s2, s * c2 + c * s2
    wave = 0.05 * (draw[0] * s2 + draw[1] * c2) + 0.06 * (draw[2] * c3 + draw[3] * s3)
    wave = wave + 0.04 * (draw[4] * (c2 * c2 - s2 * s2) + draw[5] * 2 * s2 * c2)
    result: NDArray[np.float32] = 1 + _column(gain) * wave
    return result


def _chromatin(
    cell: NDArray[np.void],
    batch: _Batch,
    fine: NDArray[np.float32],
    coarse: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return hematoxylin OD inside nuclei: dense and even, or pale with rim, clumps, nucleolus."""
    inward = -batch.outside
    vesicular = _column(cell["vesicular"])
    even = 1 + 0.12 * fine + 0.13 * coarse
    rim = np.exp(-(((inward - 0.45) / 0.55) ** 2))
    clumps = np.maximum(0.55 * fine + 0.8 * coarse - 0.35, 0)
    open_ = 0.55 + 0.75 * rim + 0.55 * clumps + _nucleoli(cell, batch)
    mixed = even + (open_ - even) * vesicular
    load = np.where(cell["kind"] == CellKind.RED_CELL, 1.0, cell["load"])
    result: NDArray[np.float32] = np.maximum(mixed, 0.15) * _column(load)
    return result


def _nucleoli(cell: NDArray[np.void], batch: _Batch) -> NDArray[np.float32]:
    tumour = cell["kind"] == CellKind.TUMOUR
    total = np.zeros_like(batch.u)
    half = _column(cell["diameter"] / 2)
    for number, often in ((0, 1.0), (1, 0.35)):
        present = tumour & (uniform(cell["id"], 60, number) < often)
        at_u = _column(0.9 * (uniform(cell["id"], 61, number) - 0.5))
        at_v = _column(0.9 * (uniform(cell["id"], 62, number) - 0.5))
        width = _column(0.85 + 0.45 * uniform(cell["id"], 63, number))
        square = ((batch.u - at_u) ** 2 + (batch.v - at_v) ** 2) * half * half
        total += _column(1.15 * present) * np.exp(-((square / (width * width)) ** 1.5))
    return total


def _cut(field: NDArray[np.float32], batch: _Batch) -> NDArray[np.float32]:
    span = np.arange(batch.size)
    rows = np.clip(batch.top[:, None] + span, 0, field.shape[0] - 1)
    cols = np.clip(batch.left[:, None] + span, 0, field.shape[1] - 1)
    part: NDArray[np.float32] = field[rows[:, :, None], cols[:, None, :]]
    return part


def _lay(
    canvas: Canvas,
    batch: _Batch,
    cover: NDArray[np.float32],
    ink: NDArray[np.float32],
    stained: NDArray[np.float32],
    red: NDArray[np.bool_],
    shape: tuple[int, int],
) -> None:
    """Lay stamps one over the other: what lies under is hidden in part, as in a thin section."""
    for i in range(len(batch.rows)):
        there, here = _overlap(batch, i, shape)
        part = cover[i][here]
        if red[i]:
            canvas.red[there] = np.maximum(canvas.red[there], part)
            continue
        shown = 1 - 0.55 * part
        canvas.nuclear[there] = canvas.nuclear[there] * shown + ink[i][here]
        canvas.chromogen[there] = canvas.chromogen[there] * shown + stained[i][here]
        canvas.cover[there] = np.maximum(canvas.cover[there], part)


def _overlap(
    batch: _Batch, i: int, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    top, left = int(batch.top[i]), int(batch.left[i])
    y0, y1 = max(top, 0), max(min(top + batch.size, shape[0]), 0)
    x0, x1 = max(left, 0), max(min(left + batch.size, shape[1]), 0)
    there = slice(y0, max(y1, y0)), slice(x0, max(x1, x0))
    here = slice(y0 - top, max(y1, y0) - top), slice(x0 - left, max(x1, x0) - left)
    return there, here


def _lay_territories(
    canvas: Canvas, cells: NDArray[np.void], rows: NDArray[np.intp], grid: Grid
) -> None:
    """Measure distances to the two nearest nuclei: cells meet where the two are equal."""
    reach = 15.0
    half = int(np.ceil(reach / grid.step))
    square = (np.arange(-half, half + 2) * grid.step).astype(np.float32)
    height, width = grid.shape
    for row in rows:
        cell = cells[row]
        at_y, at_x = (cell["y"] - grid.y) / grid.step - 0.5, (cell["x"] - grid.x) / grid.step - 0.5
        cy, cx = int(np.floor(at_y)), int(np.floor(at_x))
        y0, y1, x0, x1 = (
            max(cy - half, 0),
            min(cy + half + 2, height),
            max(cx - half, 0),
            min(cx + half + 2, width),
        )
        if y0 >= y1 or x0 >= x1:
            continue
        dy = square[y0 - cy + half : y1 - cy + half] - np.float32((at_y - cy) * grid.step)
        dx = square[x0 - cx + half : x1 - cx + half] - np.float32((at_x - cx) * grid.step)
        away = np.sqrt((dy * dy)[:, None] + (dx * dx)[None, :]) - np.float32(cell["diameter"] / 2)
        there = slice(y0, y1), slice(x0, x1)
        near = canvas.near[there]
        canvas.far[there] = np.minimum(canvas.far[there], np.maximum(near, away))
        canvas.owner[there] = np.where(away < near, np.int32(row), canvas.owner[there])
        canvas.near[there] = np.minimum(near, away)
