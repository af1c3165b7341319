"""How far several answers to the same question lie apart: a map of what not to rely on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.heat import HeatScale, coloured
from napari_virtual_ihc.tiles.producer import TileFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_virtual_ihc.tiles.cache import TileCache
    from napari_virtual_ihc.tiles.grid import TileGrid
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress, TileProducer
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
        self._producers = tuple(producers)
        self._cache = cache
        self.scale = spread_scale(title)
        self.label = title

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on."""
        return hash_of(_ALGORITHM, self.scale.formula, *(one.key for one in self._producers))

    @property
    def grid(self) -> TileGrid:
        """Grid of level 0."""
        return self._producers[0].grid

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the block that is computed together."""
        return self._producers[0].group(address)

    def produce(
        self, addresses: Sequence[TileAddress], *,
        preview: Callable[[TileAddress, Pixels], None], cancelled: Callable[[], bool],
    ) -> dict[TileAddress, Pixels | TileFailure]:  # fmt: skip
        """Return the map's tiles; a preview is told after each answer from the second on."""
        answers: list[dict[TileAddress, Pixels | TileFailure]] = []
        for producer in self._producers:
            if cancelled():
                raise Cancelled
            answers.append(self._answer(producer, addresses, cancelled))
            if 1 < len(answers) < len(self._producers):
                self._tell(answers, preview)
        return {address: self._map([one[address] for one in answers]) for address in answers[0]}

    def _answer(
        self, producer: TileProducer, addresses: Sequence[TileAddress],
        cancelled: Callable[[], bool],
    ) -> dict[TileAddress, Pixels | TileFailure]:  # fmt: skip
        wanted = dict.fromkeys(one for address in addresses for one in producer.group(address))
        keys = {address: tile_key(producer.key, address) for address in wanted}
        found = {address: self._cache.get(key) for address, key in keys.items()}
        made: dict[TileAddress, Pixels | TileFailure] = {
            address: tile for address, tile in found.items() if tile is not None
        }
        missing = [address for address in wanted if address not in made]
        if missing:
            fresh = producer.produce(missing, preview=_unseen, cancelled=cancelled)
            made |= {address: tile for address, tile in fresh.items() if address in keys}
            self._keep(producer, {address: made[address] for address in missing})
        return made

    def _keep(self, producer: TileProducer, made: dict[TileAddress, Pixels | TileFailure]) -> None:
        put = partial(self._cache.put, disk=producer.persist)
        for address, tile in made.items():
            if not isinstance(tile, TileFailure):
                put(tile_key(producer.key, address), tile)

    def _tell(
        self, answers: list[dict[TileAddress, Pixels | TileFailure]],
        preview: Callable[[TileAddress, Pixels], None],
    ) -> None:  # fmt: skip
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
        tissue = np.logical_and.reduce([tile[..., 3] > 0 for tile in known])
        density = np.stack([dab_density(tile[..., :3]) for tile in known])
        return coloured(density.std(axis=0, ddof=1), self.scale, tissue)


def _unseen(address: TileAddress, tile: Pixels) -> None:
    """Take no notice of an unfinished tile."""
