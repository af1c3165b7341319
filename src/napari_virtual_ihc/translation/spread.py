"""How far several answers to the same question lie apart: a map of what not to rely on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.stains.optical_density import to_od
from napari_virtual_ihc.tiles.heat import HeatScale, coloured
from napari_virtual_ihc.tiles.producer import TileFailure
from napari_virtual_ihc.translation.answers import Answers, on_one_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer
    from napari_virtual_ihc.translation.answers import Made
    from napari_virtual_ihc.translation.translator import Translator

_ALGORITHM = "spread/2"
CELL_PX = 32
"""Side of a value's place, px of the answers' grid, of which tiles are multiples."""
_FLAT = 0.02


def spread_scale(title: str, high: float = 1.0) -> HeatScale:
    """Return what the colours of a spread mean: 0 to ``high`` of the contrast."""
    formula = (
        f"√(σ² / (σ² + τ² + {_FLAT}²)) per {CELL_PX} px: σ² the variance of OD among the answers, "
        "τ² that of their mean from pixel to pixel, red, green and blue summed"
    )
    return HeatScale("spread", title, "of the contrast", 0.0, high, "viridis", formula)


def over_seeds(translator: Translator, count: int) -> list[Translator]:
    """Return translators that differ in the seed alone, ``translator`` first; all are prepared.

    They share its networks and its statistics of the slide.
    """
    choice, sampling = translator.choice, translator.sampling
    others = [
        type(translator)(
            translator.model, translator.slide, device=choice.device, backend=choice.backend,
            precision=choice.precision, tile=translator.grid.tile,
            sampling=replace(sampling, seed=sampling.seed + number),
            measured=translator.statistics, networks=translator.networks,
        )
        for number in range(1, count)
    ]  # fmt: skip
    for one in others:
        one.prepare()
    return [translator, *others]


def disagreement(producers: Mapping[str, TileProducer], cache: TileCache) -> Spread:
    """Return how far models disagree, on the grid of the coarsest of them.

    Parameters
    ----------
    producers
        Two or more models on one slide, by name.
    cache
        Of their tiles.
    """
    title = "Disagreement of " + " and ".join(producers)
    return Spread(on_one_grid(list(producers.values()), cache), title, cache)


class Spread:
    """How much of what several producers show they do not share; a `TileProducer`.

    See `discord`. What a producer makes is kept in the cache under its own key, so that a tile on
    screen is not made again.

    Parameters
    ----------
    producers
        Two or more on the same grid, such as one model under several seeds.
    title
        Such as ``"Spread over 3 seeds"``.
    cache
        Of the producers' tiles.
    high
        Value of the last colour, up to 1.

    Raises
    ------
    ValueError
        If there are fewer than two, or their grids differ.
    """

    batch = 1
    levels = 1
    persist = True

    def __init__(
        self, producers: Sequence[TileProducer], title: str, cache: TileCache, high: float = 1.0
    ) -> None:
        if len(producers) < 2:
            raise ValueError("A spread needs two producers at least.")
        if any(one.grid != producers[0].grid for one in producers):
            raise ValueError("The producers of a spread must have one grid.")
        self._answers = tuple(Answers(one, cache) for one in producers)
        self.scale = spread_scale(title, high)
        self.label = title

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on."""
        keys = (one.producer.key for one in self._answers)
        return hash_of(_ALGORITHM, self.scale.formula, self.scale.high, *keys)

    @property
    def grid(self) -> TileGrid:
        """Grid of level 0."""
        return self._answers[0].producer.grid

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the block that is computed together."""
        return self._answers[0].producer.group(address)

    def produce(
        self, addresses: Sequence[TileAddress], *,
        preview: Callable[[TileAddress, Pixels], None], cancelled: Callable[[], bool],
    ) -> Made:  # fmt: skip
        """Return the map's tiles; a preview is told after each answer from the second on."""
        wanted = list(dict.fromkeys(one for address in addresses for one in self.group(address)))
        answers: list[Made] = []
        for one in self._answers:
            if cancelled():
                raise Cancelled
            made = one.tiles(wanted, cancelled)
            answers.append({address: made[address] for address in wanted})
            if 1 < len(answers) < len(self._answers):
                self._tell(answers, preview)
        return {address: self._map([one[address] for one in answers]) for address in wanted}

    def _tell(self, answers: list[Made], preview: Callable[[TileAddress, Pixels], None]) -> None:
        for address in answers[0]:
            tile = self._map([one[address] for one in answers])
            if not isinstance(tile, TileFailure):
                preview(address, tile)

    def _map(self, tiles: Sequence[Pixels | TileFailure]) -> Pixels | TileFailure:
        """Return the coloured spread of one tile's answers; the first failure where one failed."""
        known: list[Pixels] = []
        for tile in tiles:
            if isinstance(tile, TileFailure):
                return tile
            known.append(tile)
        values = discord(known)
        return coloured(values, self.scale, np.isfinite(values))


def discord(tiles: Sequence[Pixels]) -> NDArray[np.float64]:
    """Return the share of the answers' contrast that they do not share, (h, w), 0 to 1.

    In each cell of 32 px the variance of their OD is that among answers to one pixel, σ², and that
    of their mean from pixel to pixel, τ²: √(σ² / (σ² + τ² + 0.02²)). It does not fall where a model
    paints less, as an absolute spread does.

    Parameters
    ----------
    tiles
        Two or more, RGBA, (h, w, 4).

    Returns
    -------
    One value per cell, in all its pixels; nan where an answer is clear.
    """
    known = np.logical_and.reduce([tile[..., 3] > 0 for tile in tiles])
    od = np.stack([to_od(tile[..., :3]) for tile in tiles]).astype(np.float64)
    mean = od.mean(axis=0)
    layers = np.stack([np.ones(known.shape), od.var(axis=0, ddof=1).sum(axis=-1),
                       (mean**2).sum(axis=-1), *np.moveaxis(mean, -1, 0)])  # fmt: skip
    count, among, squares, *means = _cell_sums(layers * known)
    size = np.maximum(count, 1)
    level = sum((one / size) ** 2 for one in means)
    apart, contrast = among / size, np.maximum(squares / size - level, 0)
    share = np.sqrt(apart / (apart + contrast + _FLAT**2))
    h, w = known.shape
    return np.where(known, np.kron(share, np.ones((CELL_PX, CELL_PX)))[:h, :w], np.nan)


def _cell_sums(layers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums over cells, (n, h, w) to (n, rows, columns); the last may be smaller."""
    rows, columns = (range(0, side, CELL_PX) for side in layers.shape[1:])
    sums: NDArray[np.float64] = np.add.reduceat(
        np.add.reduceat(layers, rows, axis=1), columns, axis=2
    )
    return sums
