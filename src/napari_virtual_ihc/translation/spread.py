"""How far several answers to the same question lie apart: a map of what not to rely on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
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

_ALGORITHM = "spread/1"
_HIGH = 0.2


def spread_scale(title: str) -> HeatScale:
    """Return what the colours of a spread mean: 0 to 0.2 of DAB optical density."""
    formula = f"standard deviation, pixel by pixel; {DEFAULT_DAB.name}"
    return HeatScale("spread", title, "DAB OD", 0.0, _HIGH, "viridis", formula)


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
    """Standard deviation of DAB density among several producers; a `TileProducer`.

    What a producer makes is kept in the cache under its own key, so that a tile on screen is not
    made again.

    Parameters
    ----------
    producers
        Two or more on the same grid, such as one model under several seeds.
    title
        Such as ``"Spread over 3 seeds"``.
    cache
        Of the producers' tiles.

    Raises
    ------
    ValueError
        If there are fewer than two, or their grids differ.
    """

    batch = 1
    levels = 1
    persist = True

    def __init__(self, producers: Sequence[TileProducer], title: str, cache: TileCache) -> None:
        if len(producers) < 2:
            raise ValueError("A spread needs two producers at least.")
        if any(one.grid != producers[0].grid for one in producers):
            raise ValueError("The producers of a spread must have one grid.")
        self._answers = tuple(Answers(one, cache) for one in producers)
        self.scale = spread_scale(title)
        self.label = title

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on."""
        return hash_of(_ALGORITHM, self.scale.formula, *(one.producer.key for one in self._answers))

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
        values = deviation(known)
        return coloured(values, self.scale, np.isfinite(values))


def deviation(tiles: Sequence[Pixels]) -> NDArray[np.float64]:
    """Return the standard deviation of DAB OD among RGBA tiles, (h, w); nan where one is clear."""
    tissue = np.logical_and.reduce([tile[..., 3] > 0 for tile in tiles])
    density = np.stack([dab_density(tile[..., :3]) for tile in tiles])
    return np.where(tissue, density.std(axis=0, ddof=1), np.nan)
