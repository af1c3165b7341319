"""How far the H&E is from what a model was trained on, place by place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled, ModelError
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.stains.tissue import MASK_VERSION, pen_mask, tissue_mask
from napari_virtual_ihc.stains.unmix import unmix
from napari_virtual_ihc.stains.vectors import H_E
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.heat import HeatScale, coloured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.models.card import ColourStatistics, ModelCard
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileFailure

    Values = NDArray[np.float64]

_ALGORITHM = "familiarity/1"
_CELL_PX, _RADIUS, _TILE = 32, 2, 32
_PER_OD = 1000
_LEAST_TISSUE = 0.1
_MASK_REACH_UM = 24.0
_LEAST_STD = 0.01
UNFAMILIAR = HeatScale(
    "unfamiliar", "Distance from training colours", "σ", 0.0, 4.0, "viridis",
    "√(2 · KL divergence) of the window's hematoxylin, eosin and residual OD from those of the "
    "training H&E, as Gaussians: for equal spread, the distance of means in standard deviations",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingColours:
    """Mean and standard deviation of each stain's OD over a training set's tissue, (3,) each."""

    mean: Values
    std: Values

    @classmethod
    def of(cls, card: ModelCard) -> TrainingColours:
        """Return those of a model.

        Raises
        ------
        ModelError
            If its card does not state them, or states those of other stains.
        """
        stated = card.input_colour
        if isinstance(stated, str):
            raise ModelError(
                f"The card of model {card.name!r} does not state 'input_colour', the colours of "
                "its training H&E, so nothing can be compared with them."
            )
        _require_vectors(card.name, stated)
        return cls(np.array(stated.mean), np.maximum(stated.std, _LEAST_STD))

    def distance(self, mean: Values, std: Values) -> Values:
        """Return the distance of windows, (…) in standard deviations, 0 for the training set's own.

        Parameters
        ----------
        mean, std
            Of each stain's OD in a window, (…, 3).
        """
        spread = np.maximum(std, _LEAST_STD) / self.std
        moved = (mean - self.mean) / self.std
        divergence = (spread**2 + moved**2 - 1) / 2 - np.log(spread)
        return np.asarray(np.sqrt(2 * divergence.sum(axis=-1)), np.float64)


class Unfamiliar:
    """Distance of the H&E from a model's training colours; a `TileProducer`, a pixel per cell.

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

    batch = 1
    levels = 1
    persist = True
    scale = UNFAMILIAR
    label = UNFAMILIAR.title

    def __init__(self, card: ModelCard, slide: Slide) -> None:
        self._colours = TrainingColours.of(card)
        self._slide, self._mpp = slide, card.mpp_in
        cell_um = _CELL_PX * self._mpp
        rows, columns = (math.ceil(side / cell_um - 1e-9) for side in slide.size_um)
        self.grid = TileGrid(rows, columns, _TILE, cell_um)
        colours = [self._colours.mean.tolist(), self._colours.std.tolist()]
        place = [slide.fingerprint, slide.require_mpp(), self._mpp]
        self.key = hash_of(_ALGORITHM, MASK_VERSION, colours, place)

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the tile alone."""
        return [address]

    def produce(
        self, addresses: Sequence[TileAddress], *,
        preview: Callable[[TileAddress, Pixels], None], cancelled: Callable[[], bool],
    ) -> dict[TileAddress, Pixels | TileFailure]:  # fmt: skip
        """Return RGBA tiles, clear where a window has hardly any tissue."""
        made: dict[TileAddress, Pixels | TileFailure] = {}
        for address in addresses:
            if cancelled():
                raise Cancelled
            values = self.values(*self.grid.box(address.row, address.col))
            made[address] = coloured(values, self.scale, np.isfinite(values))
        return made

    def values(self, row: int, column: int, rows: int, columns: int) -> Values:
        """Return the distances of some cells, (rows, columns); nan without tissue."""
        sums = self._sums(row - _RADIUS, column - _RADIUS, rows, columns)
        count = sums[..., :1]
        known = count[..., 0] >= _LEAST_TISSUE * ((2 * _RADIUS + 1) * _CELL_PX) ** 2
        safe = np.maximum(count, 1)
        mean = sums[..., 1:4] / safe / _PER_OD
        square = sums[..., 4:] / safe / _PER_OD**2
        std = np.sqrt(np.maximum(square - mean**2, 0))
        return np.where(known, self._colours.distance(mean, std), np.nan)

    def _sums(self, row: int, column: int, rows: int, columns: int) -> NDArray[np.int64]:
        """Return tissue pixels, and sums of OD and its square, of each window; exact integers."""
        around = math.ceil(_MASK_REACH_UM / self._mpp)
        h, w = ((side + 2 * _RADIUS) * _CELL_PX + 2 * around for side in (rows, columns))
        y, x = ((at * _CELL_PX - around) * self._mpp for at in (row, column))
        seen = self._slide.region(y, x, h, w, self._mpp)
        mask = tissue_mask(seen.pixels, self._mpp, self._slide.background)
        mask = (mask | pen_mask(seen.pixels, self._mpp)) & seen.valid
        inner = np.s_[around:-around, around:-around]
        amounts = np.rint(unmix(seen.pixels[inner], H_E) * _PER_OD).astype(np.int64)
        tissue = mask[inner][..., None].astype(np.int64)
        values = np.concatenate([tissue, amounts * tissue, amounts**2 * tissue], axis=-1)
        cells = values.reshape(rows + 2 * _RADIUS, _CELL_PX, columns + 2 * _RADIUS, _CELL_PX, 7)
        return _windows(cells.sum(axis=(1, 3), dtype=np.int64))


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
