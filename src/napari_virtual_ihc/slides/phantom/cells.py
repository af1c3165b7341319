"""Which cells lie where: a seeded, thinned, jittered lattice per class and slide-anchored block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.slides.phantom.lining import lining_cells
from napari_virtual_ihc.slides.phantom.marker import (
    bystander_expression,
    slide_threshold,
    tumour_expression,
)
from napari_virtual_ihc.slides.phantom.noise import Grid, mix, normal, uniform
from napari_virtual_ihc.slides.phantom.parameters import CellKind, marker_model
from napari_virtual_ihc.slides.phantom.placement import Sampler, in_grid, thin, within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.architecture import Architecture
    from napari_virtual_ihc.slides.phantom.fields import Fields
    from napari_virtual_ihc.slides.phantom.glands import Gland
    from napari_virtual_ihc.slides.phantom.parameters import PhantomParameters, Section

BLOCK_UM = 256.0
_STEP = 2.0
_NEW_IN_NEXT = 0.9
_REACH = 12.0

CELL = np.dtype([
    ("y", "f8"), ("x", "f8"), ("kind", "u1"), ("diameter", "f4"), ("aspect", "f4"),
    ("angle", "f4"), ("load", "f4"), ("vesicular", "f4"), ("activity", "f4"),
    ("expression", "f4"), ("depth", "f4"), ("id", "u8"), ("in_next", "?"),
])  # fmt: skip
"""One cell: position (µm), :class:`CellKind`, equivalent nuclear diameter (µm), long over short
axis, angle (rad), hematoxylin OD, chromatin from dense (0) to vesicular (1), visible latent,
chromogen OD, share of the section's thickness it fills, identity, and whether the next section
cuts it too."""


@dataclass(frozen=True)
class _Lattice:
    kind: CellKind
    pitch: float
    spacing: float


class Population:
    """The cells of one phantom, block by block.

    Parameters
    ----------
    key, architecture, marker, parameters
        Seed, tissue, marker name and constants of the phantom.
    """

    def __init__(
        self, key: int, architecture: Architecture, marker: str, parameters: PhantomParameters
    ) -> None:
        self.key, self._tissue, self._parameters = key, architecture, parameters
        self.model = marker_model(marker)
        self.threshold = slide_threshold(key, self.model)
        p = parameters
        self._lattices = (
            _Lattice(CellKind.LYMPHOCYTE, p.lymphoid_pitch_um, 6.2),
            _Lattice(CellKind.TUMOUR, p.tumour_pitch_um, p.tumour_spacing_um),
            _Lattice(CellKind.FIBROBLAST, p.stroma_pitch_um, 7.0),
            _Lattice(CellKind.RED_CELL, 6.6, 5.4),
            _Lattice(CellKind.DEBRIS, 12.0, 4.0),
        )

    def block(self, row: int, col: int, section: Section) -> NDArray[np.void]:
        """Return the cells (dtype :data:`CELL`) whose centre lies in a block of 256 µm.

        Positions are in the frame of the first section. The block is a function of its index.
        """
        y, x = row * BLOCK_UM, col * BLOCK_UM
        if section == "same":
            first = self._first(y, x, _REACH)
            first["in_next"] = uniform(first["id"], 11) < self._parameters.kept_in_next
            return within(first, y, x, BLOCK_UM, 0.0)
        return self._next(y, x, self._first(y, x, _REACH))

    def _first(self, y: float, x: float, reach: float) -> NDArray[np.void]:
        everywhere = self._candidates(y, x, reach + _REACH, 0)
        kept = thin(everywhere, self._spacings(everywhere))
        return within(kept, y, x, BLOCK_UM, reach)

    def _next(self, y: float, x: float, first: NDArray[np.void]) -> NDArray[np.void]:
        stays = uniform(first["id"], 11) < self._parameters.kept_in_next
        new = self._candidates(y, x, _REACH, 1)
        fresh = uniform(new["id"], 12) < _NEW_IN_NEXT
        both = np.concatenate([first[stays], new[fresh]])
        priority = np.r_[np.full(int(stays.sum()), 2.0), uniform(new["id"][fresh], 13)]
        return within(thin(both, self._spacings(both), priority), y, x, BLOCK_UM, 0.0)

    def _spacings(self, cells: NDArray[np.void]) -> NDArray[np.float64]:
        table = np.full(16, 4.0)
        for lattice in self._lattices:
            table[lattice.kind] = lattice.spacing
        table[CellKind.EPITHELIUM], table[CellKind.ENDOTHELIUM] = 5.5, 4.0
        return np.asarray(table[cells["kind"]] / 2, np.float64)

    def _candidates(self, y: float, x: float, reach: float, section: int) -> NDArray[np.void]:
        side = BLOCK_UM + 2 * reach
        count = int(np.ceil(side / _STEP))
        grid = Grid(y - reach, x - reach, count, count, _STEP)
        fields = self._tissue.sample(grid)
        parts = [self._lattice_cells(lattice, grid, fields, section) for lattice in self._lattices]
        for kind, lining in (("duct", CellKind.EPITHELIUM), ("vessel", CellKind.ENDOTHELIUM)):
            glands = self._tissue.glands(grid, kind)
            parts.append(self._lining(glands, lining, grid, fields, section))
        return np.concatenate(parts)

    def _lattice_cells(
        self, lattice: _Lattice, grid: Grid, fields: Fields, section: int
    ) -> NDArray[np.void]:
        pitch, key = lattice.pitch, self.key * 31 + int(lattice.kind)
        iy, ix = (
            np.arange(int(low // pitch) - 1, int((low + n * grid.step) // pitch) + 2)
            for low, n in ((grid.y, grid.rows), (grid.x, grid.cols))
        )
        jy, jx = (a.ravel().astype(np.int64) for a in np.meshgrid(iy, ix, indexing="ij"))
        y = (jy + 0.5 + 0.95 * (uniform(jy, jx, key, section, 1) - 0.5)) * pitch
        shear = 0.5 * (jy % 2)
        x = (jx + shear + 0.95 * (uniform(jy, jx, key, section, 2) - 0.5)) * pitch
        here = in_grid(y, x, grid)
        jy, jx, y, x = jy[here], jx[here], y[here], x[here]
        at = Sampler(y, x, grid)
        chance = self._chance(lattice.kind, at, fields)
        taken = uniform(jy, jx, key, section, 3) < chance
        cells = np.zeros(int(taken.sum()), CELL)
        cells["y"], cells["x"], cells["kind"] = y[taken], x[taken], int(lattice.kind)
        cells["id"] = mix(jy[taken], jx[taken], key, section, 5)
        angle = at.direction(fields.phase)[taken]
        self._dress(cells, Sampler(y[taken], x[taken], grid), fields, angle)
        return cells

    def _lining(
        self, glands: list[Gland], kind: CellKind, grid: Grid, fields: Fields, section: int
    ) -> NDArray[np.void]:
        cells = lining_cells(glands, kind, section, CELL)
        cells = cells[in_grid(cells["y"], cells["x"], grid)]
        at = Sampler(cells["y"], cells["x"], grid)
        deep = at(fields.duct if kind is CellKind.EPITHELIUM else fields.vessel)
        wall = at(fields.duct_wall if kind is CellKind.EPITHELIUM else fields.vessel_wall)
        cells = cells[(at(fields.inside) > 3) & (at(fields.nest) < -2) & (deep < wall + 1.0)]
        angle = cells["angle"].astype(np.float64)
        self._dress(cells, Sampler(cells["y"], cells["x"], grid), fields, angle)
        return cells

    def _chance(self, kind: CellKind, at: Sampler, fields: Fields) -> NDArray[np.float64]:
        nest, lumen, rot = at(fields.nest), at(fields.lumen), at(fields.necrosis)
        cavity = np.maximum(at(fields.duct), at(fields.vessel))
        inside = at(fields.inside) > 3.0
        stroma = inside & (nest < -1.5) & (cavity < -2.0)
        solid = inside & (nest > 3.5) & (lumen < -3.5) & (rot < 0.4)
        fat = at(fields.fat)
        chance: NDArray[np.floating]
        if kind is CellKind.TUMOUR:
            chance = np.where(solid, np.clip(0.86 + 0.16 * at(fields.crowd), 0.45, 1.0), 0.0)
        elif kind is CellKind.FIBROBLAST:
            lean = np.clip(1.02 - 1.6 * fat, 0.02, 1)
            chance = 0.8 * stroma * lean * (1 - at(fields.lymphoid))
        elif kind is CellKind.RED_CELL:
            filled = at(fields.vessel) - at(fields.vessel_wall) > 2.5
            chance = filled * 0.75 * (at(fields.dense) > -0.5) + stroma * 0.002 * (fat < 0.1)
        elif kind is CellKind.DEBRIS:
            chance = np.asarray(np.where(inside & (rot > 0.5), 0.4, 0.004 * solid), np.float64)
        else:
            immune = at(fields.immune)
            scattered = stroma * np.clip(1 - 1.6 * fat, 0, 1) * (0.004 + 0.075 * immune**2)
            chance = stroma * at(fields.lymphoid) * 0.9 + scattered + solid * 0.012 * immune
        return np.asarray(chance, np.float64)

    def _dress(
        self, cells: NDArray[np.void], at: Sampler, fields: Fields, angle: NDArray[np.float64]
    ) -> None:
        ids = cells["id"]
        p = self._parameters
        kinds = cells["kind"]
        a, b, c, d = (normal(ids, salt) for salt in (21, 22, 23, 24))
        smooth = p.activity_smooth
        visible = smooth * at(fields.activity) + np.sqrt(1 - smooth**2) * a
        tumour = kinds == CellKind.TUMOUR
        vesicular = 1 / (1 + np.exp(-3.0 * (visible - 0.25)))
        pleomorphic = 0.07 + 0.09 * at(fields.grade)
        size = p.inactive_diameter_um + (p.active_diameter_um - p.inactive_diameter_um) * vesicular
        cells["diameter"] = _BASE["diameter"][kinds] * np.exp(_BASE["spread"][kinds] * b)
        cells["aspect"] = _BASE["aspect"][kinds] * np.exp(_BASE["spread"][kinds] * 1.6 * c)
        cells["angle"] = np.where(_BASE["random"][kinds], np.pi * uniform(ids, 25), angle + 0.2 * d)
        load = p.inactive_load + (p.active_load - p.inactive_load) * vesicular
        cells["load"] = _BASE["load"][kinds] * np.exp(0.16 * d)
        cells["diameter"][tumour] = (size * np.exp(pleomorphic * b))[tumour]
        cells["load"][tumour] = (load * np.exp(0.08 * d))[tumour]
        cells["aspect"] = np.maximum(cells["aspect"], 1.0)
        cells["aspect"][tumour] = (1.1 + 0.16 * np.abs(c) + 0.12 * vesicular)[tumour]
        cells["activity"] = visible * tumour
        cells["vesicular"] = np.where(tumour, vesicular, _BASE["vesicular"][kinds])
        cells["depth"] = np.clip(1.0 - 0.55 * uniform(ids, 26) ** 4, 0.3, 1.0)
        self._express(cells, visible, at(fields.hidden))

    def _express(
        self, cells: NDArray[np.void], visible: NDArray[np.float64], hidden: NDArray[np.float64]
    ) -> None:
        ids, kinds = cells["id"], cells["kind"]
        rates = np.zeros(16)
        rates[[CellKind.LYMPHOCYTE, CellKind.EPITHELIUM, CellKind.FIBROBLAST]] = (
            self.model.bystanders
        )
        own = tumour_expression(visible, hidden, normal(ids, 31), self.threshold, self.model)
        other = bystander_expression(uniform(ids, 32), rates[kinds])
        cells["expression"] = np.where(kinds == CellKind.TUMOUR, own, other)


def _base() -> dict[str, NDArray[np.float64]]:
    rows = {
        CellKind.TUMOUR: (10.5, 0.1, 1.2, 0.6, 0.3, 1),
        CellKind.FIBROBLAST: (6.2, 0.18, 3.4, 0.6, 0.2, 0),
        CellKind.LYMPHOCYTE: (6.7, 0.07, 1.05, 0.86, 0.1, 1),
        CellKind.EPITHELIUM: (7.8, 0.07, 1.35, 0.62, 0.25, 0),
        CellKind.ENDOTHELIUM: (5.2, 0.1, 3.4, 0.6, 0.1, 0),
        CellKind.RED_CELL: (6.9, 0.05, 1.1, 0.0, 0.0, 1),
        CellKind.DEBRIS: (3.6, 0.3, 1.1, 0.8, 0.0, 1),
    }
    names = ("diameter", "spread", "aspect", "load", "vesicular", "random")
    tables = {name: np.zeros(16) for name in names}
    for kind, values in rows.items():
        for name, value in zip(names, values, strict=True):
            tables[name][kind] = value
    return tables


_BASE = _base()
