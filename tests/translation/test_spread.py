"""The spread of several answers: right numbers, tiles made once, failures told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_diffusion import diffusion_model
from translation_scenes import slide_of, tissue

from napari_virtual_ihc.stains.dab import dab_density
from napari_virtual_ihc.tiles.cache import TileCache, tile_key
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.heat import coloured
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.spread import Spread, over_seeds
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

PLACE = TileAddress(0, 0, 0)


class Answer:
    """A producer of one colour."""

    batch, levels, persist, label = 1, 1, False, "answer"

    def __init__(self, colour: tuple[int, int, int], side: int = 32) -> None:
        self.key = f"answer-{colour}"
        self.grid = TileGrid(64, 64, side, 0.5)
        self.asked = 0
        self._tile = np.full((side, side, 4), (*colour, 255), np.uint8)

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        return [address]

    def produce(
        self, addresses: Sequence[TileAddress], *, preview: Callable[..., None],
        cancelled: Callable[[], bool],
    ) -> dict[TileAddress, Any]:  # fmt: skip
        self.asked += 1
        return dict.fromkeys(addresses, self._tile)


class Failing(Answer):
    def produce(self, addresses: Sequence[TileAddress], **_: Any) -> dict[TileAddress, Any]:
        return dict.fromkeys(addresses, TileFailure("It broke."))


@pytest.fixture
def cache() -> TileCache:
    return TileCache(None, 10**7, 0)


def made(spread: Spread, told: list[Any] | None = None) -> Any:
    seen: list[Any] = [] if told is None else told
    return spread.produce(
        [PLACE], preview=lambda *what: seen.append(what), cancelled=lambda: False
    )[PLACE]


COLOURS = [(240, 240, 240), (160, 110, 70), (200, 170, 140)]


def test_a_spread_is_the_deviation_of_dab(cache: TileCache) -> None:
    spread = Spread([Answer(colour) for colour in COLOURS], "Spread", cache)
    told: list[Any] = []
    tile = made(spread, told)
    density = [float(dab_density(np.full((1, 1, 3), c, np.uint8))[0, 0]) for c in COLOURS]
    values = np.full((32, 32), np.std(density, ddof=1))
    np.testing.assert_array_equal(tile, coloured(values, spread.scale, values > 0))
    assert [address for address, _ in told] == [PLACE]


def test_answers_that_agree_have_no_spread(cache: TileCache) -> None:
    spread = Spread([Answer(COLOURS[1]), Answer(COLOURS[1])], "Spread", cache)
    assert (
        made(spread) == coloured(np.zeros((32, 32)), spread.scale, np.ones((32, 32), bool))
    ).all()


def test_tiles_that_are_known_are_not_made_again(cache: TileCache) -> None:
    first, second = Answer(COLOURS[0]), Answer(COLOURS[1])
    cache.put(tile_key(first.key, PLACE), np.full((32, 32, 4), 255, np.uint8), disk=False)
    spread = Spread([first, second], "Spread", cache)
    made(spread)
    made(spread)
    assert (first.asked, second.asked) == (0, 1)


def test_a_failed_answer_fails_the_tile_with_its_reason(cache: TileCache) -> None:
    found = made(Spread([Answer(COLOURS[0]), Failing(COLOURS[1])], "Spread", cache))
    assert found == TileFailure("It broke.")


def test_answers_that_cannot_be_compared_are_refused(cache: TileCache) -> None:
    with pytest.raises(ValueError, match="two"):
        Spread([Answer(COLOURS[0])], "Spread", cache)
    with pytest.raises(ValueError, match="grid"):
        Spread([Answer(COLOURS[0]), Answer(COLOURS[1], side=64)], "Spread", cache)


def test_seeds_share_networks_and_differ_in_noise(tmp_path: Path, cache: TileCache) -> None:
    pytest.importorskip("diffusers")
    model, slide = diffusion_model(tmp_path / "small"), slide_of(tissue(120, 200))
    first = Translator(model, slide, device="cpu", tile=96, precision="fp32")
    several = over_seeds(first, 3)
    assert [one.sampling.seed for one in several] == [0, 1, 2]
    assert len({id(one.networks) for one in several}) == 1
    assert len({one.key for one in several}) == 3
    tile = made_at(Spread(several, "Spread", cache), TileAddress(0, 0, 1))
    assert tile[..., 3].any()
    assert len(np.unique(tile.reshape(-1, 4), axis=0)) > 5


def made_at(spread: Spread, place: TileAddress) -> Any:
    return spread.produce([place], preview=lambda *_: None, cancelled=lambda: False)[place]
