"""From concentrations to pixels: Beer-Lambert, folds, pen, blur, illumination, sensor noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_virtual_ihc.slides.phantom.noise import Grid, normal, smooth, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.parameters import PhantomParameters

_STITCH_UM = 420.0
_INKS = np.array([[0.95, 0.75, 0.20], [0.85, 0.22, 0.55], [0.80, 0.85, 0.80]])


@dataclass(frozen=True)
class Stroke:
    """A straight, slightly waving band: a fold of the section or a pen line on the glass (µm)."""

    y: float
    x: float
    angle: float
    length: float
    width: float
    ink: tuple[float, float, float]

    def near(self, grid: Grid, room: float) -> tuple[slice, slice]:
        """Return the part of a grid that the band can touch, shifted by at most ``room`` µm."""
        reach_y, reach_x = (
            self.length / 2 * abs(turn) + self.width + room
            for turn in (np.sin(self.angle), np.cos(self.angle))
        )
        rows, cols = grid.axes()
        a, b = np.searchsorted(rows, [self.y - reach_y, self.y + reach_y])
        c, d = np.searchsorted(cols, [self.x - reach_x, self.x + reach_x])
        return slice(int(a), int(b)), slice(int(c), int(d))

    def weight(
        self, grid: Grid, part: tuple[slice, slice], wave: NDArray[np.float32] | float
    ) -> NDArray[np.float32]:
        """Return its presence on part of a grid, in [0, 1]; ``wave`` shifts it sideways (µm)."""
        rows, cols = grid.axes()
        dy = (rows[part[0]] - self.y).astype(np.float32)[:, None]
        dx = (cols[part[1]] - self.x).astype(np.float32)
        along = dx * np.float32(np.cos(self.angle)) + dy * np.float32(np.sin(self.angle))
        across = dy * np.float32(np.cos(self.angle)) - dx * np.float32(np.sin(self.angle)) + wave
        reach = np.clip((self.length / 2 - np.abs(along)) / (1.2 * self.width), 0, 1)
        side = (np.abs(across) / (0.5 * self.width * np.maximum(reach, 1e-3) ** 0.5)) ** 6
        result: NDArray[np.float32] = np.exp(-np.minimum(side, 60)) * (reach > 0)
        return result


def blur_px(parameters: PhantomParameters, step: float) -> float:
    """Return the scanner's Gaussian blur in px: finer scales are scanned by finer objectives."""
    objective = parameters.blur_um * float(np.clip(step / 0.5, 0.6, 1.0))
    return float(np.hypot(objective, 0.30 * step) / step)


class Optics:
    """Stains, folds, pen lines and scanner of one slide.

    Parameters
    ----------
    key
        Seed of the phantom and number of the slide made from it, already mixed.
    height_um, width_um
        Extent of the slide.
    vectors
        Unmixed stain colours (n, 3), turned by a few degrees with the key.
    parameters
        Constants.
    """

    def __init__(
        self,
        key: int,
        height_um: float,
        width_um: float,
        vectors: tuple[tuple[float, float, float], ...],
        parameters: PhantomParameters,
    ) -> None:
        self.key, self._parameters = key, parameters
        self.vectors = _turned(np.asarray(vectors, np.float64), key, parameters.stain_angle_deg)
        draw = uniform(np.arange(3, dtype=np.int64), key, 911)
        self.strength = 1.0 + 0.22 * draw[0]
        self.folds = _folds(key, height_um, width_um)
        self.pens = _pens(key, height_um, width_um)

    def density(
        self,
        concentrations: tuple[NDArray[np.float32], ...],
        grid: Grid,
        inside: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return optical density (3, rows, cols) of stains, folds and pen, without scanner."""
        total = np.zeros((3, *grid.shape), np.float32)
        for vector, amount in zip(self.vectors, concentrations, strict=True):
            for channel in range(3):
                total[channel] += np.float32(self.strength * vector[channel]) * amount
        fold = self.fold(grid) * (inside > 0)
        if fold.max() > 0:
            total *= 1 + 0.85 * fold
        for pen in self.pens:
            part = pen.near(grid, 0.0)
            if _empty(part):
                continue
            weight = pen.weight(grid, part, 0.0)
            streak = 1 + 0.12 * smooth(self.key + 5, grid, 25.0)[part]
            total[:, part[0], part[1]] += (
                np.asarray(pen.ink, np.float32)[:, None, None] * weight * streak
            )
        return total

    def fold(self, grid: Grid) -> NDArray[np.float32]:
        """Return the weight of folds on a grid, in [0, 1]."""
        total = np.zeros(grid.shape, np.float32)
        for fold in self.folds:
            part = fold.near(grid, 130.0)
            if _empty(part):
                continue
            wave = 26 * smooth(self.key + 3, grid, 170.0) + 3 * smooth(self.key + 4, grid, 22.0)
            here = fold.weight(grid, part, wave[part])
            np.maximum(total[part], here, out=total[part])
        return total

    def expose(
        self, density: NDArray[np.float32], grid: Grid, noise: np.random.Generator, margin: int
    ) -> NDArray[np.uint8]:
        """Return the picture a scanner takes of an optical density (3, rows, cols), cropped."""
        light = np.exp(density * np.float32(-np.log(10)))
        blur = blur_px(self._parameters, grid.step)
        inner = slice(margin, grid.rows - margin), slice(margin, grid.cols - margin)
        field = self._illumination(grid)[inner]
        size = field.shape
        grain = noise.standard_normal((3, *size), np.float32) * np.float32(
            self._parameters.shot_noise * 255
        )
        picture = np.empty((*size, 3), np.uint8)
        for channel in range(3):
            sharp = gaussian_filter(light[channel], blur, truncate=3.0)[inner]
            value = sharp * field * np.float32(self._parameters.glass[channel])
            value += grain[channel] * np.sqrt(np.clip(value / 255, 0.02, 1))
            picture[..., channel] = np.clip(value + 0.5, 0, 255)
        return picture

    def _illumination(self, grid: Grid) -> NDArray[np.float32]:
        """Return the light per stitched camera field: a slight vignette and gain of its own."""
        rows, cols = (axis / _STITCH_UM for axis in grid.axes())
        v, u = rows - np.floor(rows) - 0.5, cols - np.floor(cols) - 0.5
        vignette = 1 - 0.012 * (v * v)[:, None] - 0.012 * (u * u)[None, :]
        index_y, index_x = np.floor(rows).astype(np.int64), np.floor(cols).astype(np.int64)
        first_y, first_x = int(index_y[0]), int(index_x[0])
        fields_y = np.arange(first_y, int(index_y[-1]) + 1)[:, None]
        fields_x = np.arange(first_x, int(index_x[-1]) + 1)[None, :]
        gain = 1 + 0.003 * (uniform(fields_y, fields_x, self.key, 6) - 0.5)
        field = vignette * gain[np.ix_(index_y - first_y, index_x - first_x)]
        return field.astype(np.float32)


def _empty(part: tuple[slice, slice]) -> bool:
    return bool(part[0].start >= part[0].stop or part[1].start >= part[1].stop)


def _turned(vectors: NDArray[np.float64], key: int, degrees: float) -> NDArray[np.float64]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    wobble = normal(np.arange(unit.size, dtype=np.int64), key, 912).reshape(unit.shape)
    turned = np.maximum(unit + np.radians(degrees) * 0.7 * np.clip(wobble, -1.5, 1.5), 0.01)
    result: NDArray[np.float64] = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    return result


def _folds(key: int, height_um: float, width_um: float) -> list[Stroke]:
    """Return the folds of a slide: one per 3 mm of length, at least one."""
    short = min(height_um, width_um)
    count = max(1, min(8, round(short / 3000)))
    draw = uniform(np.arange(6 * count, dtype=np.int64), key, 913).reshape(count, 6)
    return [
        Stroke(
            height_um * (0.12 + 0.76 * a),
            width_um * (0.12 + 0.76 * b),
            float(np.pi * c),
            short * (0.10 + 0.15 * d),
            10.0 + min(0.004 * short, 12.0) + 8.0 * e,
            (0.0, 0.0, 0.0),
        )
        for a, b, c, d, e, _ in draw
    ]


def _pens(key: int, height_um: float, width_um: float) -> list[Stroke]:
    """Return one pen line near an edge of the slide."""
    short = min(height_um, width_um)
    draw = uniform(np.arange(6, dtype=np.int64), key, 914)
    side = int(4 * draw[0])
    along, off = 0.15 + 0.7 * draw[1], 0.025 + 0.02 * draw[2]
    y, x = ((off, along), (1 - off, along), (along, off), (along, 1 - off))[side]
    angle = (0.0, 0.0, np.pi / 2, np.pi / 2)[side] + 0.10 * (draw[3] - 0.5)
    ink = _INKS[int(3 * draw[4])]
    width = min(0.035 * short, 450.0)
    return [
        Stroke(height_um * y, width_um * x, float(angle), 0.28 * short, width, tuple(ink.tolist()))
    ]
