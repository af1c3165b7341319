"""The spread of several answers: right numbers, tiles made once, failures told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_diffusion import diffusion_model
from translation_scenes import slide_of, tissue

from napari_virtual_ihc.stains.optical_density import from_od, to_od
from napari_virtual_ihc.tiles.cache import TileCache, tile_key
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.heat import coloured
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.spread import Spread, discord, over_seeds, spread_scale
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


def apart(*colours: tuple[int, int, int]) -> float:
    """Return the spread of answers of one colour each."""
    among = to_od(np.array(colours, np.uint8)).astype(float).var(axis=0, ddof=1).sum()
    return float(np.sqrt(among / (among + 0.02**2)))


def test_a_spread_is_what_answers_do_not_share(cache: TileCache) -> None:
    spread = Spread([Answer(colour) for colour in COLOURS], "Spread", cache)
    told: list[Any] = []
    tile = made(spread, told)
    values = np.full((32, 32), apart(*COLOURS))
    np.testing.assert_array_equal(tile, coloured(values, spread.scale, values > 0))
    assert [address for address, _ in told] == [PLACE]


def test_answers_that_agree_have_no_spread(cache: TileCache) -> None:
    spread = Spread([Answer(COLOURS[1]), Answer(COLOURS[1])], "Spread", cache)
    assert (
        made(spread) == coloured(np.zeros((32, 32)), spread.scale, np.ones((32, 32), bool))
    ).all()


def pattern(seed: int, depth: float, shape: tuple[int, int] = (64, 80)) -> np.ndarray:
    """Return an answer that paints a pattern, RGBA."""
    paint = depth * np.random.default_rng(seed).random((*shape, 1)) * (0.5, 0.8, 1.0)
    return np.dstack([from_od(0.05 + paint), np.full(shape, 255, np.uint8)])


def test_a_model_that_paints_less_is_not_trusted_more() -> None:
    for depth in (0.4, 0.2):
        same = discord([pattern(0, depth), pattern(0, depth * 1.1)])
        other = discord([pattern(0, depth), pattern(1, depth)])
        assert same.max() < 0.15
        assert 0.75 < other.min() <= other.max() < 0.9
    assert discord([pattern(0, 0.0)] * 2).max() == 0


def test_places_are_judged_alone_and_clear_pixels_are_not() -> None:
    first, second = pattern(0, 0.4, (70, 48)), pattern(0, 0.4, (70, 48))
    second[:32, 32:] = pattern(1, 0.4, (32, 16))
    second[64:, :8, 3] = 0
    found = discord([first, second])
    assert found[:32, 32:].min() > 0.7
    assert np.isnan(found[64:, :8]).all()
    found[:32, 32:] = found[64:, :8] = 0
    assert (found == 0).all()


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
    place = TileAddress(0, 0, 1)
    tile = made_at(Spread(several, "Spread", cache), place)
    answers = [cache.get(tile_key(one.key, place)) for one in several]
    values = discord([one for one in answers if one is not None])
    assert np.nanmin(values) > 0.3
    np.testing.assert_array_equal(tile, coloured(values, spread_scale(""), np.isfinite(values)))


def made_at(spread: Spread, place: TileAddress) -> Any:
    return spread.produce([place], preview=lambda *_: None, cancelled=lambda: False)[place]
