"""A phantom's pixels are a function of its fields and of their place, nothing else."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.slides.phantom import DEFAULTS, PHANTOM_VERSION, Phantom
from napari_virtual_ihc.slides.phantom.render import compose
from napari_virtual_ihc.slides.phantom.source import pyramid_shapes

SIZE = 6144
CORNER = 2048 + 512
KNOWN = [
    [198.2, 117.7, 170.3, 179.4, 120.3, 170.2, 150.9, 96.5, 151.2, 152.0, 99.7, 153.5],
    [196.1, 143.7, 184.6, 171.0, 116.2, 166.6, 155.7, 102.8, 156.1, 149.3, 99.7, 153.3],
    [151.5, 100.0, 153.7, 171.3, 112.0, 164.1, 137.2, 91.3, 146.0, 151.5, 100.0, 154.0],
    [151.5, 99.7, 153.7, 154.3, 99.8, 154.2, 152.1, 101.2, 154.7, 158.2, 97.8, 152.9],
]


@pytest.fixture(scope="module")
def square(phantom: Phantom) -> np.ndarray:
    return phantom.he().source.read(0, CORNER - 300, CORNER - 300, 600, 600)[0]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(y=st.integers(0, 599), x=st.integers(0, 599), h=st.integers(1, 600), w=st.integers(1, 600))
def test_every_window_has_the_same_bytes(
    phantom: Phantom, square: np.ndarray, y: int, x: int, h: int, w: int
) -> None:
    h, w = min(h, 600 - y), min(w, 600 - x)
    pixels, valid = phantom.he().source.read(0, CORNER - 300 + y, CORNER - 300 + x, h, w)
    assert valid.all()
    assert np.array_equal(pixels, square[y : y + h, x : x + w])


def test_a_fresh_phantom_read_in_another_order_has_the_same_bytes(square: np.ndarray) -> None:
    compose.cache_clear()
    fresh = Phantom(3, SIZE, SIZE)
    fresh.ihc("next").source.read(0, CORNER, CORNER, 64, 64)
    source = fresh.he().source
    quarters = [
        source.read(0, CORNER + dy, CORNER + dx, 300, 300)[0] for dy, dx in ((0, 0), (-300, -300))
    ]
    assert np.array_equal(quarters[0], square[300:, 300:])
    assert np.array_equal(quarters[1], square[:300, :300])


def test_neighbouring_blocks_continue_each_other(square: np.ndarray) -> None:
    level = square.astype(float).mean(-1)
    steps = np.abs(np.diff(level, axis=1)).mean(0)
    border = steps[299]
    assert border < 1.35 * np.median(steps)


def test_opening_renders_nothing() -> None:
    compose.cache_clear()
    slide = Phantom(5, 100_000, 100_000).he()
    assert slide.size_um == (50_000.0, 50_000.0)
    assert len(slide.fingerprint) == 32
    assert compose.cache_info().misses == 0


def test_levels_show_the_same_tissue(phantom: Phantom) -> None:
    source = phantom.he().source
    fine = source.read(0, 2560, 2048, 1024, 1024)[0].reshape(64, 16, 64, 16, 3).mean((1, 3))
    drawn = source.read(1, 1280, 1024, 512, 512)[0].reshape(64, 8, 64, 8, 3).mean((1, 3))
    analytic = source.read(3, 320, 256, 128, 128)[0].reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(fine.mean((0, 1)) - drawn.mean((0, 1))).max() < 5
    assert np.abs(fine.mean((0, 1)) - analytic.mean((0, 1))).max() < 14
    assert np.corrcoef(fine.ravel(), drawn.ravel())[0, 1] > 0.97
    assert np.corrcoef(fine[..., 1].ravel(), analytic[..., 1].ravel())[0, 1] > 0.6


def test_pyramid_halves_down_to_one_block() -> None:
    assert pyramid_shapes(1500, 700) == ((1500, 700), (750, 350), (375, 175))
    assert pyramid_shapes(100_000, 100_000)[-1] == (391, 391)


def test_fingerprints_differ_by_every_field() -> None:
    made = [
        Phantom(1, 512, 512), Phantom(2, 512, 512), Phantom(1, 512, 600),
        Phantom(1, 512, 512, 0.25), Phantom(1, 512, 512, marker="HER2"),
    ]  # fmt: skip
    names = {m.fingerprint for m in made} | {made[0].he().fingerprint}
    names |= {made[0].ihc(section).fingerprint for section in ("same", "next")}
    assert len(names) == 8


def test_defaults_of_version_1_are_left_alone() -> None:
    assert PHANTOM_VERSION == 1
    assert DEFAULTS.fingerprint() == "79620e1e9c88569307618cc55a508ca5"


def test_a_known_tile_keeps_its_statistics(phantom: Phantom) -> None:
    """Means over 128 px, so that platforms may round differently but not draw differently."""
    tile = phantom.he().source.read(0, 2560, 2560, 512, 512)[0]
    means = tile.reshape(4, 128, 4, 128, 3).mean((1, 3)).reshape(4, 12)
    assert np.abs(means - np.array(KNOWN)).max() < 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, 32, 512), "64 to 200000"),
        ((0, 512, 512, 2.0), "0.1 to 1"),
        ((-1, 512, 512), "seed"),
        ((0, 512, 512, 0.5, "CD3"), "CD3"),
    ],
)
def test_wrong_fields_are_refused(arguments: tuple, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Phantom(*arguments)


def test_wrong_section_is_refused(phantom: Phantom) -> None:
    with pytest.raises(UsageError, match="previous"):
        phantom.ihc("previous")


def test_a_phantom_goes_to_another_process() -> None:
    slide = Phantom(3, 1024, 1024).ihc("next")
    again = pickle.loads(pickle.dumps(slide))
    assert again.fingerprint == slide.fingerprint
