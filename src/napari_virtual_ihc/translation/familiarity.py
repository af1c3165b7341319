"""How far the H&E is from what a model was trained on, place by place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.measures.fineness import (
    PROTOCOL,
    REACH,
    WINDOW_PX,
    fineness,
    gradient_energies,
)
from napari_virtual_ihc.models.card import TextureStatistics
from napari_virtual_ihc.stains.tissue import MASK_VERSION, pen_mask, tissue_mask
from napari_virtual_ihc.stains.unmix import unmix
from napari_virtual_ihc.stains.vectors import H_E
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.heat import HeatScale, coloured
from napari_virtual_ihc.tiles.producer import TileByTile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.models.card import ColourStatistics, ModelCard
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress

    Values = NDArray[np.float64]

_ALGORITHM = "familiarity/3"
_CELL_PX, _TILE = 32, 32
_RADIUS = (WINDOW_PX // _CELL_PX - 1) // 2
_PER_OD = 1000
_LEAST_TISSUE = 0.1
_MASK_REACH_UM = 24.0
_LEAST_STD = 0.01
_USUAL = 2.0
"""Standard deviations of fineness that count for nothing: so far do windows of one slide differ."""
_COLOURS = (
    "KL divergence of the window's hematoxylin, eosin and residual OD from those of the training "
    "H&E, as Gaussians"
)


def unfamiliar_scale(*, texture: bool) -> HeatScale:
    """Return what the colours of the map mean, with or without texture."""
    texts = {
        False: f"√(2 · {_COLOURS}): for equal spread, the distance of means in standard deviations",
        True: f"√(2 · {_COLOURS} + z²), z: standard deviations beyond 2 of its fineness, the log "
        "ratio of gradient energies",
    }
    title = "Distance from training H&E" if texture else "Distance from training colours"
    return HeatScale("unfamiliar", title, "σ", 0.0, 4.0, "viridis", texts[texture])


@dataclass(frozen=True)
class TrainingLook:
    """What a training set's H&E looks like.

    Attributes
    ----------
    mean, std
        Of each stain's OD over its tissue, (3,).
    fineness
        Mean and standard deviation of its windows' fineness; None where the card states none.
    """

    mean: Values
    std: Values
    fineness: tuple[float, float] | None = None

    @classmethod
    def of(cls, card: ModelCard) -> TrainingLook:
        """Return that of a model.

        Raises
        ------
        ModelError
            If its card does not state the colours, or states those of other stains.
        """
        stated, texture = card.input_colour, card.input_texture
        if isinstance(stated, str):
            raise ModelError(
                f"The card of model {card.name!r} does not state 'input_colour', the colours of "
                "its training H&E, so nothing can be compared with them."
            )
        _require_vectors(card.name, stated)
        fine = None
        if isinstance(texture, TextureStatistics) and texture.protocol == PROTOCOL:
            fine = texture.mean, texture.std
        return cls(np.array(stated.mean), np.maximum(stated.std, _LEAST_STD), fine)

    def distance(self, mean: Values, std: Values, fineness: Values | None = None) -> Values:
        """Return the distance of windows, (…) in standard deviations, 0 for the training set's own.

        Parameters
        ----------
        mean, std
            Of each stain's OD in a window, (…, 3).
        fineness
            Of the window, (…).
        """
        spread = np.maximum(std, _LEAST_STD) / self.std
        moved = (mean - self.mean) / self.std
        square = (spread**2 + moved**2 - 1 - 2 * np.log(spread)).sum(axis=-1)
        if self.fineness is not None and fineness is not None:
            beyond = np.abs(fineness - self.fineness[0]) / self.fineness[1] - _USUAL
            square = square + np.maximum(beyond, 0) ** 2
        return np.asarray(np.sqrt(square), np.float64)


class Unfamiliar(TileByTile):
    """Distance of the H&E from what a model was trained on; a `TileProducer`, a pixel per cell.

    A cell is 32 px of the model's scale; a value looks at the tissue of 5 × 5 cells, pen marks
    included. Reads the slide's fingerprint, so create it off the GUI thread.

    Parameters
    ----------
    card
        Of the model.
    slide
        With a known scale.

    Raises
    ------
    ModelError
        If the card does not state the colours of the training H&E.
    """

    persist = True

    def __init__(self, card: ModelCard, slide: Slide) -> None:
        self._look = TrainingLook.of(card)
        self.scale = unfamiliar_scale(texture=self._look.fineness is not None)
        self.label = self.scale.title
        self._slide, self._mpp = slide, card.mpp_in
        cell_um = _CELL_PX * self._mpp
        rows, columns = (math.ceil(side / cell_um - 1e-9) for side in slide.size_um)
        self.grid = TileGrid(rows, columns, _TILE, cell_um)
        look = [self._look.mean.tolist(), self._look.std.tolist(), self._look.fineness]
        place = [slide.fingerprint, slide.require_mpp(), self._mpp]
        self.key = hash_of(_ALGORITHM, MASK_VERSION, look, place)

    def tile(self, address: TileAddress, cancelled: Callable[[], bool]) -> Pixels:
        """Return an RGBA tile, clear where a window has hardly any tissue."""
        values = self.values(*self.grid.box(address.row, address.col))
        return coloured(values, self.scale, np.isfinite(values))

    def values(self, row: int, column: int, rows: int, columns: int) -> Values:
        """Return the distances of some cells, (rows, columns); nan without tissue."""
        sums = self._sums(row - _RADIUS, column - _RADIUS, rows, columns)
        count = sums[..., :1]
        known = count[..., 0] >= _LEAST_TISSUE * ((2 * _RADIUS + 1) * _CELL_PX) ** 2
        safe = np.maximum(count, 1)
        mean = sums[..., 1:4] / safe / _PER_OD
        square = sums[..., 4:7] / safe / _PER_OD**2
        std = np.sqrt(np.maximum(square - mean**2, 0))
        fine = fineness(sums[..., 7], sums[..., 8])
        return np.where(known, self._look.distance(mean, std, fine), np.nan)

    def _sums(self, row: int, column: int, rows: int, columns: int) -> NDArray[np.int64]:
        """Return tissue pixels, sums of OD and its square, and gradient energies of each window.

        (rows, columns, 9), exact integers.
        """
        around = math.ceil(_MASK_REACH_UM / self._mpp) + REACH
        h, w = ((side + 2 * _RADIUS) * _CELL_PX + 2 * around for side in (rows, columns))
        y, x = ((at * _CELL_PX - around) * self._mpp for at in (row, column))
        seen = self._slide.region(y, x, h, w, self._mpp)
        mask = tissue_mask(seen.pixels, self._mpp, self._slide.background)
        mask = (mask | pen_mask(seen.pixels, self._mpp)) & seen.valid
        inner, wider = (slice(n, -n) for n in (around, around - REACH))
        tissue = mask[inner, inner].astype(np.int64)
        amounts = np.rint(unmix(seen.pixels[inner, inner], H_E) * _PER_OD).astype(np.int64)
        stains = np.moveaxis(amounts, -1, 0)
        energies = gradient_energies(seen.pixels[wider, wider])
        layers = (tissue, *stains, *stains**2, *energies)
        return _windows(np.stack([_cells(layer * tissue) for layer in layers], axis=-1))


def _cells(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sums over cells, (rows, columns)."""
    rows, columns = (side // _CELL_PX for side in values.shape)
    blocks = values.reshape(rows, _CELL_PX, columns, _CELL_PX)
    sums: NDArray[np.int64] = blocks.sum(axis=(1, 3), dtype=np.int64)
    return sums


def _windows(sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sums over windows of cells, which take a margin off both sides."""
    side = 2 * _RADIUS + 1
    down = np.lib.stride_tricks.sliding_window_view(sums, side, axis=0).sum(axis=-1)
    whole: NDArray[np.int64] = np.lib.stride_tricks.sliding_window_view(down, side, axis=1).sum(
        axis=-1
    )
    return whole


def _require_vectors(name: str, stated: ColourStatistics) -> None:
    if tuple(stated.stains) != H_E.names or stated.vectors != H_E.source:
        raise ModelError(
            f"The card of model {name!r} states 'input_colour' for {', '.join(stated.stains)} by "
            f"{stated.vectors}, not for {', '.join(H_E.names)} by {H_E.source}."
        )
