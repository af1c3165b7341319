"""Layers of trust: other grids, other ways of asking, and distance from the training colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from test_spread import COLOURS, Answer, Failing, apart
from translation_scenes import resnet_model, slide_of, tissue, whole

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.models.card import ColourStatistics
from napari_virtual_ihc.stains.optical_density import from_od, to_od
from napari_virtual_ihc.stains.unmix import compose, unmix
from napari_virtual_ihc.stains.vectors import H_E
from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.grid import TileGrid
from napari_virtual_ihc.tiles.heat import coloured
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.tiles.slide_producer import SlideProducer
from napari_virtual_ihc.translation.answers import Regridded
from napari_virtual_ihc.translation.familiarity import TrainingLook, Unfamiliar
from napari_virtual_ihc.translation.jitter import Jitter, Jittered, under_jitter
from napari_virtual_ihc.translation.spread import disagreement
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from napari_virtual_ihc.models.folder import Model

    Rgb = np.ndarray


@pytest.fixture
def cache() -> TileCache:
    return TileCache(None, 10**8, 0)


def make(producer: Any, *place: int) -> Any:
    address = TileAddress(0, *place)
    return producer.produce([address], preview=lambda *_: None, cancelled=lambda: False)[address]


def test_pixels_on_another_grid_are_those_of_the_slide_there(cache: TileCache) -> None:
    slide = slide_of(tissue(300, 420))
    other = Regridded(SlideProducer(slide, tile=64), TileGrid(120, 168, 96, 1.25), cache)
    tile = make(other, 0, 1)
    assert tile.shape == (96, 72, 4)
    expected = slide.region(0, 96 * 1.25, 96, 72, 1.25).pixels
    np.testing.assert_array_equal(tile[..., :3], expected)
    assert (tile[..., 3] == 255).all()


def test_models_of_other_scales_are_compared_on_the_coarser_grid(cache: TileCache) -> None:
    coarse = Answer(COLOURS[1])
    coarse.grid = TileGrid(32, 32, 32, 1.0)
    found = disagreement({"one": Answer(COLOURS[0]), "two": coarse}, cache)
    assert (found.grid, found.label) == (coarse.grid, "Disagreement of one and two")
    values = np.full((32, 32), apart(*COLOURS[:2]))
    np.testing.assert_array_equal(
        make(found, 0, 0), coloured(values, found.scale, np.ones((32, 32), np.bool_))
    )


def test_a_failure_on_the_other_grid_is_told(cache: TileCache) -> None:
    coarse = Answer(COLOURS[1])
    coarse.grid = TileGrid(32, 32, 32, 1.0)
    found = disagreement({"one": Failing(COLOURS[0]), "two": coarse}, cache)
    assert make(found, 0, 0) == TileFailure("It broke.")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return resnet_model(tmp_path_factory.mktemp("model") / "small")


def translated(model: Model, image: Rgb, **more: Any) -> Translator:
    return Translator(
        model, slide_of(image), device="cpu", backend="torch", tile=96, precision="fp32", **more
    )


def pasted(producer: Any, like: Translator) -> Rgb:
    out = np.zeros((like.grid.height, like.grid.width, 4), np.uint8)
    for tiles in like.plan.all_blocks():
        made = producer.produce(list(tiles), preview=print, cancelled=lambda: False)
        for address, tile in made.items():
            y, x, h, w = like.grid.box(address.row, address.col)
            out[y : y + h, x : x + w] = tile
    return out


def test_a_mirrored_question_is_answered_as_for_the_mirrored_slide(model: Model) -> None:
    image = tissue(192, 292)[:, 100:]
    first = translated(model, image)
    other = translated(model, image[::-1].copy(), measured=first.statistics)
    answer = pasted(Jittered(first, Jitter(axes=(0,))), first)
    np.testing.assert_array_equal(answer[::-1], whole(other))


def test_moving_by_whole_steps_of_the_lattice_changes_nothing(model: Model) -> None:
    translator = translated(model, tissue(192, 292)[:, 100:])
    own = whole(translator)[..., :3].astype(int)
    by = {n: pasted(Jittered(translator, Jitter(moved=n)), translator) for n in (4, 2)}
    apart = {n: np.abs(image[..., :3].astype(int) - own).max() for n, image in by.items()}
    assert apart[4] <= 1
    assert apart[2] > 1


def test_a_thicker_section_is_asked_as_one(model: Model) -> None:
    image = tissue(192, 292)[:, 100:]
    first = translated(model, image)
    thicker = translated(model, from_od(to_od(image) * 1.05), measured=first.statistics)
    answer = pasted(Jittered(first, Jitter(axes=(1,), moved=4, amount=1.05)), first)
    straight = pasted(Jittered(first, Jitter(amount=1.05)), first)
    np.testing.assert_array_equal(straight, whole(thicker))
    turned = pasted(Jittered(first, Jitter(axes=(1,), amount=1.05)), first)
    assert np.abs(answer[..., :3].astype(int) - turned[..., :3]).max() <= 1


def test_a_model_is_asked_in_the_ways_that_its_network_allows(model: Model) -> None:
    image = tissue(192, 292)[:, 100:]
    exact = under_jitter(translated(model, image))
    assert len({one.key for one in exact}) == 3
    assert [one.label.partition(", ")[2] for one in exact] == [
        "", "left and right swapped, moved by 2 px, stained × 1.05",
        "top and bottom swapped, stained × 0.95",
    ]  # fmt: skip
    tile, dense = (under_jitter(translated(model, image, statistics=s)) for s in ("tile", "dense"))
    assert tile[1].label.endswith("left and right swapped, stained × 1.05")
    assert dense[2].label.endswith("small, stained × 0.95")


COLOUR = ColourStatistics(
    stains=H_E.names, mean=(0.3, 0.2, 0.05), std=(0.2, 0.1, 0.04), vectors=H_E.source
)


def test_the_distance_is_in_standard_deviations() -> None:
    known = TrainingLook(np.array(COLOUR.mean), np.array(COLOUR.std))
    assert known.distance(known.mean, known.std) == pytest.approx(0)
    moved = known.mean + known.std * (1, 0, 0)
    assert known.distance(moved, known.std) == pytest.approx(1)
    assert known.distance(known.mean, known.std / 2) > 0.5
    textured = TrainingLook(known.mean, known.std, (0.5, 0.1))
    assert textured.distance(known.mean, known.std, np.array(0.1)) == pytest.approx(2)
    assert textured.distance(known.mean, known.std, np.array(0.35)) == pytest.approx(0)


def drawn(seed: int, side: int = 1100) -> Rgb:
    """H&E whose stains have the statistics of `COLOUR`, glass on the right."""
    draw = np.random.default_rng(seed).standard_normal((side, side, 3))
    image = compose(np.array(COLOUR.mean) + np.array(COLOUR.std) * draw * 0.9, H_E)
    image[:, 800:] = 242
    return image


def test_other_colours_are_far_where_they_are_and_tiles_fit(model: Model) -> None:
    image = drawn(0)
    amounts = unmix(image[:400, :400], H_E)
    image[:400, :400] = compose(amounts + np.array([0.0, 0.1, -0.12], np.float32), H_E)
    card = model.card.model_copy(update={"input_colour": COLOUR})
    layer = Unfamiliar(card, slide_of(image))
    values = layer.values(0, 0, layer.grid.height, layer.grid.width)
    inside, outside = values[2:9, 2:9], values[16:, :20]
    assert inside.min() > 2 * outside.max()
    assert np.isnan(values[:, 30:]).all()
    assert layer.grid.cols == 2
    tile = make(layer, 0, 1)
    part = values[:32, 32:]
    np.testing.assert_array_equal(tile, coloured(part, layer.scale, np.isfinite(part)))


@pytest.mark.parametrize(
    ("stated", "words"),
    [("unknown", "does not state 'input_colour'"),
     (COLOUR.model_copy(update={"vectors": "Macenko"}), "by Macenko, not for")],
)  # fmt: skip
def test_a_card_without_colours_is_refused(model: Model, stated: Any, words: str) -> None:
    card = model.card.model_copy(update={"input_colour": stated})
    with pytest.raises(ModelError, match=words):
        Unfamiliar(card, slide_of(drawn(1, 900)))
