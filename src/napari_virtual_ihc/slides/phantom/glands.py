"""Round structures with an outline of their own: ducts and vessels on a jittered lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom.noise import normal, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.noise import Grid

_HARMONICS = np.array([2.0, 3.0, 4.0, 5.0, 7.0])
_AMPLITUDES = np.array([0.13, 0.08, 0.05, 0.035, 0.025])


@dataclass(frozen=True, eq=False)
class Gland:
    """A closed outline ``R(θ) = radius · (1 + Σ aₖ cos(kθ + φₖ))`` about a centre, in µm."""

    key: int
    kind: str
    y: float
    x: float
    radius: float
    wall: float
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]

    def outline(self, theta: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the radius (µm) towards each angle."""
        waves = np.cos(np.multiply.outer(theta, _HARMONICS) + self.phases)
        total: NDArray[np.float64] = self.radius * (1.0 + waves @ self.amplitudes)
        return total

    @cached_property
    def _table(self) -> NDArray[np.float32]:
        return self.outline(np.linspace(-np.pi, np.pi, 129)).astype(np.float32)

    def depth(self, y: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return how deep inside the outline points lie (µm, negative outside)."""
        dy, dx = y - self.y, x - self.x
        table = self._table
        turn = (np.arctan2(dy, dx) + np.pi) * (128 / (2 * np.pi))
        index = np.minimum(turn.astype(np.int32), 127)
        low = table[index]
        radius = low + (table[index + 1] - low) * (turn - index)
        result: NDArray[np.float32] = (radius - np.hypot(dy, dx)).astype(np.float32)
        return result


@lru_cache(maxsize=4096)
def make_gland(key: int, kind: str, y: float, x: float, room: float) -> Gland:
    """Return the gland of a key, at most ``room`` µm in radius."""
    salt = np.arange(12, dtype=np.int64)
    draw = uniform(salt, key)
    size = draw[0] ** 1.3
    radius = 24.0 + (room - 30.0) * size if kind == "duct" else 7.0 + 26.0 * draw[0] ** 2
    wall = 10.0 + 6.0 * draw[1] if kind == "duct" else 1.5 + 0.10 * radius
    strength = 1.0 if kind == "duct" else 1.5
    amplitudes = _AMPLITUDES * strength * np.abs(normal(salt[:5], key, 7))
    return Gland(key, kind, y, x, radius, wall, amplitudes, 2 * np.pi * draw[2:7])


def deepest(glands: Sequence[Gland], grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return, on a grid, the depth inside the nearest of the glands and that one's wall (µm)."""
    depth = np.full(grid.shape, -400.0, np.float32)
    wall = np.ones(grid.shape, np.float32)
    rows, cols = grid.axes()
    for gland in glands:
        reach = gland.radius * 1.6 + 40.0
        a, b = np.searchsorted(rows, [gland.y - reach, gland.y + reach])
        c, d = np.searchsorted(cols, [gland.x - reach, gland.x + reach])
        if a == b or c == d:
            continue
        here = gland.depth(rows[a:b, None].astype(np.float32), cols[None, c:d].astype(np.float32))
        nearer = here > depth[a:b, c:d]
        depth[a:b, c:d][nearer] = here[nearer]
        wall[a:b, c:d][nearer] = gland.wall
    return depth, wall
