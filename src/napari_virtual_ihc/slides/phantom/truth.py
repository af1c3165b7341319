"""What is known of a phantom and of no real slide: chromogen, tumour, and the ideal reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.slides.phantom.marker import CHANCES, equal_chances, expected_stained
from napari_virtual_ihc.slides.phantom.parameters import CellKind
from napari_virtual_ihc.slides.phantom.render import (
    BLOCK_PX,
    blurred,
    compose,
    dab_concentration,
    he_concentrations,
    membrane,
)
from napari_virtual_ihc.slides.phantom.stamps import lay_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.render import Picture, Scene

_Number = TypeVar("_Number", bound=np.generic)
Window = tuple[int, int, int, int]
"""Row, column, height and width in level-0 px."""

SQUARE_UM = 128.0
"""Side of the squares that truth is told of."""

LEAST_TUMOUR = 0.25
"""A square counts only if at least this share of it is tumour."""


@dataclass(frozen=True)
class Squares:
    """Squares of tissue with enough tumour in them, one entry each.

    Attributes
    ----------
    dab
        True DAB area: share of tumour pixels whose chromogen OD reaches the threshold.
    ideal
        DAB area expected by a reader who knows every visible property of every cell exactly.
    hematoxylin
        Mean hematoxylin OD of H&E over tumour pixels.
    """

    dab: NDArray[np.float64]
    ideal: NDArray[np.float64]
    hematoxylin: NDArray[np.float64]

    def ceiling(self) -> float:
        """Return Pearson's r between what the ideal reader expects and what is true."""
        return _pearson(self.ideal, self.dab)

    def baseline(self) -> float:
        """Return Pearson's r of the best linear predictor that only knows hematoxylin density."""
        return abs(_pearson(self.hematoxylin, self.dab))

    def told(self) -> dict[str, Any] | None:
        """Return both figures as JSON values, or None where there are too few squares."""
        try:
            return {
                "measure": f"Pearson r of DAB area per {SQUARE_UM:g} µm square of tumour, same "
                "section",
                "squares": len(self.dab),
                "ceiling": self.ceiling(),
                "hematoxylin_baseline": self.baseline(),
            }
        except DataError:
            return None


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        raise DataError(
            f"Agreement needs three differing squares of tumour; the windows hold {len(a)}."
        )
    return float(np.corrcoef(a, b)[0, 1])


def assemble(
    scene: Scene,
    window: Window,
    step: float,
    value: Callable[[Picture], NDArray[_Number]],
) -> NDArray[_Number]:
    """Return a quantity of rendered blocks over a window of level 0."""
    y, x, h, w = window
    rows = range(y // BLOCK_PX, (y + h - 1) // BLOCK_PX + 1)
    cols = range(x // BLOCK_PX, (x + w - 1) // BLOCK_PX + 1)
    strips = []
    for row in rows:
        parts = []
        for col in cols:
            picture = compose(scene, row, col, step)
            inner = slice(picture.margin, -picture.margin)
            parts.append(value(picture)[inner, inner])
        strips.append(np.concatenate(parts, 1))
    whole = np.concatenate(strips, 0)
    top, left = y - rows[0] * BLOCK_PX, x - cols[0] * BLOCK_PX
    return whole[top : top + h, left : left + w]


def tumour_of(picture: Picture) -> NDArray[np.bool_]:
    """Return where living tumour lies in a block, margin included."""
    fields = picture.fields
    solid = (fields.nest > 0) & (fields.lumen < 0) & (fields.necrosis < 0.5)
    result: NDArray[np.bool_] = solid & (fields.inside > 0) & (picture.matrix.present > 0.3)
    return result


def dab_of(scene: Scene, picture: Picture) -> NDArray[np.float32]:
    """Return chromogen OD of a block as the scanner's blur shows it, margin included."""
    dab = dab_concentration(picture, scene.population.model.compartment)
    return blurred(dab, picture.grid, scene.parameters)


def measure(scene: Scene, windows: Sequence[Window], step: float, square_um: float) -> Squares:
    """Return the truth per square of ``square_um`` inside windows of level 0 (px)."""
    side = max(round(square_um / step), 1)
    rows = [row for window in windows for row in _measure_window(scene, window, step, side)]
    table = np.asarray(rows, np.float64).reshape(-1, 3)
    return Squares(table[:, 0], table[:, 1], table[:, 2])


def _measure_window(
    scene: Scene, window: Window, step: float, side: int
) -> list[tuple[float, float, float]]:
    _, _, h, w = window
    mask = assemble(scene, window, step, tumour_of)
    dab = assemble(scene, window, step, lambda picture: dab_of(scene, picture))
    ink = assemble(scene, window, step, lambda picture: he_concentrations(picture)[0])
    expected = assemble(scene, window, step, lambda picture: expected_of(scene, picture))
    positive = dab >= scene.parameters.dab_threshold
    found = []
    for top in range(0, h - side + 1, side):
        for left in range(0, w - side + 1, side):
            here = slice(top, top + side), slice(left, left + side)
            inside = mask[here]
            area = float(inside.sum())
            if area < LEAST_TUMOUR * side * side:
                continue
            found.append((
                float(positive[here][inside].mean()),
                float(expected[here][inside].mean()),
                float(ink[here][inside].mean()),
            ))  # fmt: skip
    return found


def expected_of(scene: Scene, picture: Picture) -> NDArray[np.float32]:
    """Return the probability that a pixel is stained, given all that H&E shows (with margin).

    Hidden part and noise are integrated out per cell; outlines, overlaps and thickness of the
    nuclei are those drawn. Cells of other classes count as unstained.
    """
    population, cells = scene.population, picture.cells.copy()
    cut = scene.parameters.dab_threshold
    tumour = cells["kind"] == CellKind.TUMOUR
    visible = cells["activity"][tumour].astype(np.float64)
    cells["expression"] = 0.0
    if population.model.compartment == "nucleus":
        level = cut / cells["depth"][tumour].astype(np.float64)
        share = expected_stained(visible, population.threshold, population.model, level)
        cells["expression"][tumour] = share
        flat = np.zeros(picture.grid.shape, np.float32)
        return lay_cells(cells, picture.grid, (flat, flat), True).chromogen
    total = np.zeros(picture.grid.shape, np.float32)
    for strength in equal_chances(visible, population.threshold, population.model):
        cells["expression"][tumour] = strength
        drawn = replace(picture, cells=cells)
        total += blurred(membrane(drawn), picture.grid, scene.parameters) >= cut
    return np.asarray(total / CHANCES, np.float32)
