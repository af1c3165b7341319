"""Faults done to a phantom's H&E: every map of trust shows them, distance there only."""

from __future__ import annotations

import numpy as np
import pytest
from translation_scenes import slide_of

from napari_virtual_ihc.models.card import read_card
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.models.library import bundled_folder
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.faults import FAULTS, Fault, Square, enlarged, inject, turned
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.translation.familiarity import Unfamiliar
from napari_virtual_ihc.translation.jitter import under_jitter
from napari_virtual_ihc.translation.spread import CELL_PX, discord
from napari_virtual_ihc.translation.translator import Translator

SIDE, CELLS, PLACE = 512, 16, Square(192, 192, 256)
INSIDE, BESIDE = np.s_[8:12, 8:12], np.s_[:3]
LEAST = {"blur": 3.0, "pen": 3.0, "wrong scale": 1.7, "hue": 1.4, "wrong stain": 2.0}
"""How often as far as the clean picture."""


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    phantom = Phantom(400, 6144, 6144)
    row, column = tumour_blocks(phantom)[0]
    box = (row * SIDE, column * SIDE, SIDE, SIDE)
    he, ihc = (slide.source.read(0, *box)[0] for slide in (phantom.he(), phantom.ihc()))
    return he, ihc


def distance(he: np.ndarray) -> np.ndarray:
    layer = Unfamiliar(read_card(bundled_folder("demo")), slide_of(he))
    return layer.values(0, 0, CELLS, CELLS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_far_from_the_training_colours(
    pictures: tuple[np.ndarray, np.ndarray], fault: Fault
) -> None:
    he, ihc = pictures
    spoiled = inject(fault, he, ihc, PLACE, 0.5)
    clean, faulty = distance(he), distance(spoiled)
    np.testing.assert_allclose(clean[BESIDE], faulty[BESIDE], atol=0.01)
    assert faulty[INSIDE].mean() > LEAST[fault] * clean[INSIDE].mean()
    outside = np.ones((SIDE, SIDE), np.bool_)
    outside[PLACE.slices] = False
    np.testing.assert_array_equal(spoiled[outside], he[outside])
    assert (spoiled[PLACE.slices] != he[PLACE.slices]).any()


def discords(he: np.ndarray) -> dict[str, np.ndarray]:
    """Return jitter, and disagreement of the bundled models, in cells well inside the fault."""
    slide, place = slide_of(he), TileAddress(0, 0, 0)
    own, other = (
        Translator(load_model(bundled_folder(name)), slide, device="cpu", backend="torch")
        for name in ("demo", "demo-mdcl")
    )
    asked = [
        one.produce([place], preview=print, cancelled=lambda: False)[place]
        for one in (*under_jitter(own), other)
    ]
    maps = {"jitter": discord(asked[:-1]), "models": discord([asked[0], asked[-1]])}
    return {name: one[::CELL_PX, ::CELL_PX][7:13, 7:13].ravel() for name, one in maps.items()}


@pytest.fixture(scope="module")
def untouched(pictures: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    return discords(pictures[0])


@pytest.mark.parametrize("fault", FAULTS)
def test_answers_share_less_where_a_fault_is(
    pictures: tuple[np.ndarray, np.ndarray], untouched: dict[str, np.ndarray], fault: Fault
) -> None:
    faulty = discords(inject(fault, *pictures, PLACE, 0.5))
    for name, clean in untouched.items():
        higher = (faulty[name][:, None] > clean).mean()
        assert higher > 0.6, name


def test_colours_turn_about_grey() -> None:
    colours = np.array([[[120, 120, 120], [200, 120, 100]]], np.uint8)
    turn = turned(colours, 120.0)
    assert turn[0, 0].tolist() == [120, 120, 120]
    assert turn[0, 1].tolist() == [100, 200, 120]


def test_the_middle_of_a_square_fills_it() -> None:
    picture = np.arange(64, dtype=np.float64).reshape(8, 8)
    large = enlarged(picture, Square(0, 0, 8), order=0)
    np.testing.assert_array_equal(large[::2, ::2], picture[2:6, 2:6])
