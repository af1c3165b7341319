"""Nuclei along a basement membrane: epithelium of ducts, endothelium of vessels."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom.noise import mix, uniform
from napari_virtual_ihc.slides.phantom.parameters import CellKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.glands import Gland

_SPACING_UM = {CellKind.EPITHELIUM: 6.6, CellKind.ENDOTHELIUM: 17.0}


def lining_cells(
    glands: Sequence[Gland], kind: CellKind, section: int, dtype: np.dtype[np.void]
) -> NDArray[np.void]:
    """Return cells with position, kind, angle and identity set, in rows along the outlines.

    Epithelial nuclei stand across the wall in one row (two in thick walls), endothelial nuclei
    lie along it. ``section`` 1 shifts them by half their spacing and gives other identities.
    """
    rows = [
        _row(gland, kind, section, layer, dtype)
        for gland in glands
        for layer in _layers(gland, kind)
    ]
    return np.concatenate(rows) if rows else np.zeros(0, dtype)


def _layers(gland: Gland, kind: CellKind) -> tuple[float, ...]:
    if kind is CellKind.ENDOTHELIUM:
        return (gland.wall * 0.5,)
    return (4.6, 10.6) if gland.wall > 13.0 else (5.2,)


@lru_cache(maxsize=4096)
def _row(
    gland: Gland, kind: CellKind, section: int, depth: float, dtype: np.dtype[np.void]
) -> NDArray[np.void]:
    fine = np.linspace(0, 2 * np.pi, 721)
    radius = gland.outline(fine) - depth
    length = np.r_[
        0.0, np.cumsum(np.hypot(np.diff(radius * np.cos(fine)), np.diff(radius * np.sin(fine))))
    ]
    count = max(int(length[-1] / _SPACING_UM[kind]), 3)
    index = np.arange(count, dtype=np.int64)
    salt = int(depth * 10) * 4 + section
    jitter = uniform(index, gland.key, salt, 1) - 0.5
    at = np.mod((index + 0.5 * section + 0.6 * jitter + 0.3 * depth) / count, 1.0) * length[-1]
    theta = np.interp(at, length, fine)
    inward = gland.outline(theta) - depth + 2.6 * (uniform(index, gland.key, salt, 2) - 0.5)
    cells = np.zeros(count, dtype)
    cells["y"], cells["x"] = gland.y + inward * np.sin(theta), gland.x + inward * np.cos(theta)
    cells["kind"] = int(kind)
    cells["angle"] = theta + (np.pi / 2 if kind is CellKind.ENDOTHELIUM else 0.0)
    cells["id"] = mix(index, gland.key, salt, 3)
    return cells[uniform(index, gland.key, salt, 4) < 0.93]
