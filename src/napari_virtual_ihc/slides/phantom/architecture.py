"""Where which tissue lies: smooth fields and signed depths in µm, a function of seed and place.

Everything is defined in the frame of the first section and can be sampled on any grid; what is
smaller than the step of the grid is simply not resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from napari_virtual_ihc.slides.phantom.fields import Fields, step_up
from napari_virtual_ihc.slides.phantom.glands import Gland, deepest, make_gland
from napari_virtual_ihc.slides.phantom.noise import Grid, smooth, smooth_at, uniform

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.parameters import PhantomParameters

_FAR = -400.0
_NESTS_UM = 25.0


class Architecture:
    """The tissue of one phantom.

    Parameters
    ----------
    key
        Seed of the phantom.
    height_um, width_um
        Extent of the slide.
    parameters
        See :class:`PhantomParameters`.
    """

    def __init__(
        self, key: int, height_um: float, width_um: float, parameters: PhantomParameters
    ) -> None:
        self.key, self.parameters = key, parameters
        self.height_um, self.width_um = height_um, width_um
        short = min(height_um, width_um)
        self.macro = float(np.clip(0.3 * short, 180.0, parameters.macro_um))
        draw = uniform(np.arange(16, dtype=np.int64), key, 901)
        self._draw = draw
        self.tumour_at = (height_um * (0.38 + 0.24 * draw[0]), width_um * (0.38 + 0.24 * draw[1]))
        self._short = short
        self._found: dict[tuple[int, int, int, int, str], list[Gland]] = {}

    def sample(self, grid: Grid) -> Fields:
        """Return the tissue on a grid."""
        padded = Grid(
            grid.y - grid.step, grid.x - grid.step, grid.rows + 2, grid.cols + 2, grid.step
        )
        return self._sample(padded).map(lambda a: np.ascontiguousarray(a[1:-1, 1:-1]))

    def _sample(self, grid: Grid) -> Fields:
        noise = self._noise(grid)
        inside = self._inside(grid)
        territory = self._territory(grid)
        grade = step_up(noise(11, self.macro * 0.5), -0.9, 0.9)
        duct, duct_wall = deepest(self.glands(grid, "duct"), grid)
        vessel, vessel_wall = deepest(self.glands(grid, "vessel"), grid)
        barrier = np.maximum(duct, vessel) + 9.0
        nest = np.minimum(self._nest(grid, territory, grade), -barrier)
        fat = step_up(
            noise(21, self.macro * 0.7)
            - 1.4 * territory
            + (0.25 if grid.step <= _NESTS_UM else 0.07) * noise(22, 60),
            0.35,
            0.5,
        )
        fat *= step_up(-barrier, 0, 12)
        fat *= (
            step_up(-nest, 14, 30) if grid.step <= _NESTS_UM else step_up(-nest, 0, 0.4 * grid.step)
        )
        lumen = (noise(31, 42) - 1.55 - 0.6 * grade) * 24.0
        near_ducts = duct > _FAR
        spaces = np.where(near_ducts, np.minimum(lumen, nest - 22.0), _FAR).astype(np.float32)
        rot = noise(41, 170) + 0.35 * noise(42, 30)
        necrosis = step_up(rot, 1.25, 1.5) * step_up(nest, 45, 62) * step_up(grade, 0.3, 0.7)
        immune = step_up(noise(51, 240) + 0.7 * territory, 0.0, 1.6)
        aggregate = step_up(noise(52, 130) + 0.25 * noise(53, 30) + 0.45 * territory, 1.55, 1.85)
        lymphoid = (
            aggregate * step_up(-np.maximum(nest, np.maximum(duct, vessel)), 2, 8) * (1 - fat)
        )
        return Fields(
            inside, nest, spaces, duct, duct_wall, vessel, vessel_wall, necrosis, fat, lymphoid,
            immune, self._phase(grid, nest, duct), noise(61, 150) * 0.8 + noise(62, 48) * 0.6,
            noise(71, 420), self._activity(grid), noise(82, self.parameters.hidden_um), grade,
            noise(83, 85),
        )  # fmt: skip

    def _noise(self, grid: Grid) -> Callable[[int, float], NDArray[np.float32]]:
        return lambda salt, scale: smooth(self.key * 1009 + salt, grid, scale)

    def _inside(self, grid: Grid) -> NDArray[np.float32]:
        rows, cols = grid.axes()
        v = ((rows / self.height_um - 0.5) * 2).astype(np.float32)[:, None]
        u = ((cols / self.width_um - 0.5) * 2).astype(np.float32)[None, :]
        radius = (np.abs(v) ** 3 + np.abs(u) ** 3) ** np.float32(1 / 3)
        angle = np.arctan2(v, u)
        edge = np.full(grid.shape, 0.90, np.float32)
        for k in (1, 2, 3, 5):
            edge += np.float32(0.05 / k) * np.cos(k * angle + np.float32(6.3 * self._draw[4 + k]))
        noise = self._noise(grid)
        depth = (edge - radius) * (self._short / 2)
        depth += noise(1, self.macro * 0.5) * min(0.03 * self._short, 120.0)
        depth += noise(2, 60) * 9 + noise(3, 14) * 3
        return np.asarray(np.minimum(depth, 300.0), np.float32)

    def _territory(self, grid: Grid) -> NDArray[np.float32]:
        rows, cols = grid.axes()
        dy = (rows - self.tumour_at[0]).astype(np.float32)[:, None]
        dx = (cols - self.tumour_at[1]).astype(np.float32)[None, :]
        reach = np.hypot(dy / np.float32(self.height_um), dx / np.float32(self.width_um))
        noise = self._noise(grid)
        return step_up(
            1.15 - 3.2 * reach + 0.45 * noise(5, self.macro) + 0.12 * noise(6, 150), -0.15, 0.6
        )

    def _nest(
        self, grid: Grid, territory: NDArray[np.float32], grade: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        small, large = self.parameters.nest_um
        noise = self._noise(grid)
        body = (1 - grade) * noise(12, small) + grade * noise(13, large)
        body = body / np.sqrt((1 - grade) ** 2 + grade**2)
        body += 0.30 * noise(14, 21) + (0.06 + 0.08 * grade) * noise(15, 8.5)
        bar = 3.4 + (self.parameters.nest_threshold - 4.2) * territory
        if grid.step > _NESTS_UM:
            share = ndtr(-bar / 1.05).astype(np.float32) + 0.13 * noise(13, large)
            return np.asarray((share - 0.5) * 0.9 * grid.step, np.float32)
        score = body - bar
        dy, dx = np.gradient(score, grid.step)
        slope = np.maximum(np.hypot(dy, dx), 0.45 / (small + (large - small) * grade))
        return np.asarray(np.clip(score / slope, -200.0, 200.0), np.float32)

    def _phase(
        self, grid: Grid, nest: NDArray[np.float32], duct: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        rows, cols = grid.axes()
        noise = self._noise(grid)
        turn = 2 * np.pi * self._draw[2]
        along = rows[:, None] * np.sin(turn) + cols[None, :] * np.cos(turn)
        ramp = np.mod(along / 12.0, 4096.0 * 16).astype(np.float32)
        bend = 6.5 * noise(63, 300) + 1.9 * noise(64, 95) + 0.42 * noise(65, 27)
        around = np.clip(nest, -50, 0) / 22.0 + np.clip(duct, -60, 0) / 9.0
        return np.asarray(ramp + bend + around, np.float32)

    def _activity(self, grid: Grid) -> NDArray[np.float32]:
        fine, coarse = self.parameters.activity_um
        noise = self._noise(grid)
        return np.float32(0.7) * noise(81, fine) + np.float32(0.714) * noise(84, coarse)

    def glands(self, grid: Grid, kind: str) -> list[Gland]:
        """Return the ducts or vessels that may touch a grid (none where the grid is too coarse)."""
        pitch = self.parameters.object_pitch_um
        if grid.step > 12.0:
            return []
        rows, cols = grid.axes()
        (top, bottom), (left, right) = (
            (int((a[0] - 1.6 * pitch) // pitch), int((a[-1] + 1.6 * pitch) // pitch))
            for a in (rows, cols)
        )
        reach = pitch
        return [
            gland
            for gland in self._glands_of(top, bottom, left, right, kind)
            if rows[0] - reach < gland.y < rows[-1] + reach
            and cols[0] - reach < gland.x < cols[-1] + reach
        ]

    def _glands_of(self, top: int, bottom: int, left: int, right: int, kind: str) -> list[Gland]:
        key = top, bottom, left, right, kind
        if key not in self._found:
            if len(self._found) > 256:
                self._found.clear()
            self._found[key] = self._find_glands(top, bottom, left, right, kind)
        return self._found[key]

    def _find_glands(self, top: int, bottom: int, left: int, right: int, kind: str) -> list[Gland]:
        pitch = self.parameters.object_pitch_um
        iy, ix = np.arange(top, bottom + 1), np.arange(left, right + 1)
        jy, jx = (a.ravel().astype(np.int64) for a in np.meshgrid(iy, ix, indexing="ij"))
        salt = self.key * 1009
        y = (jy + 0.5 + 0.9 * (uniform(jy, jx, salt, 1) - 0.5)) * pitch
        x = (jx + 0.5 + 0.9 * (uniform(jy, jx, salt, 2) - 0.5)) * pitch
        reach = np.hypot(
            (y - self.tumour_at[0]) / self.height_um, (x - self.tumour_at[1]) / self.width_um
        )
        core = 1.15 - 3.2 * reach + 0.45 * smooth_at(salt + 5, y, x, self.macro)
        glandular = (smooth_at(salt + 91, y, x, self.macro * 0.6) > -0.1) & (core < 0.1)
        draw = uniform(jy, jx, salt, 3)
        lobule = smooth_at(salt + 92, y, x, 330.0) > -0.15
        is_duct = draw < np.where(glandular & lobule, 0.8, 0.03)
        is_vessel = ~is_duct & (draw > 0.82)
        chosen = np.flatnonzero(is_duct if kind == "duct" else is_vessel)
        ids = [int(v) for v in (uniform(jy, jx, salt, 4) * 2**40)]
        return [make_gland(ids[i], kind, y[i], x[i], 0.46 * pitch) for i in chosen]
