from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from napari_virtual_ihc.methods.recipe import Augmentation
from napari_virtual_ihc.training.jitter import CHANGES, Change, Jitter, draw_jitter, jittered

PSPSTAIN = Augmentation(brightness=0.3, contrast=0.3, saturation=0.2)
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 240, (24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("factor", [0.0, 0.7, 1.0, 1.3])
def test_each_change_is_pillows(change: Change, factor: float) -> None:
    rgb = picture()
    theirs = np.asarray(ENHANCERS[change](Image.fromarray(rgb)).enhance(factor), dtype=np.float32)
    ours = jittered(rgb.astype(np.float32), Jitter(((change, factor),)))
    assert np.abs(ours - theirs).max() <= 1.5


def test_a_chain_of_changes_is_made_in_its_order() -> None:
    rgb = picture(1)
    order: tuple[tuple[Change, float], ...] = (
        ("saturation", 1.2), ("brightness", 0.8), ("contrast", 1.3),
    )  # fmt: skip
    theirs = Image.fromarray(rgb)
    for change, factor in order:
        theirs = ENHANCERS[change](theirs).enhance(factor)
    ours = jittered(rgb.astype(np.float32), Jitter(order))
    assert np.abs(ours - np.asarray(theirs, np.float32)).max() <= 3
    other = jittered(rgb.astype(np.float32), Jitter(order[::-1]))
    assert np.abs(ours - other).max() > 0.5


@given(st.integers(0, 2**32), st.floats(0, 1.5), st.floats(0, 1.5), st.floats(0, 1.5))
def test_factors_stay_in_their_ranges(
    seed: int, brightness: float, contrast: float, saturation: float
) -> None:
    shares = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    drawn = draw_jitter(Augmentation(**shares), np.random.default_rng(seed))
    assert {name for name, _ in drawn.changes} == {n for n, share in shares.items() if share > 0}
    for name, factor in drawn.changes:
        assert max(0, 1 - shares[name]) <= factor <= 1 + shares[name]
    seen = jittered(picture().astype(np.float32), drawn)
    assert seen.dtype == np.float32
    assert 0 <= seen.min() <= seen.max() <= 255


def test_all_orders_and_both_directions_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_jitter(PSPSTAIN, rng) for _ in range(300)]
    orders = [tuple(name for name, _ in jitter.changes) for jitter in drawn]
    assert len(set(orders)) == 6
    assert min(orders.count(order) for order in set(orders)) > 25
    for name in CHANGES:
        factors = [dict(jitter.changes)[name] for jitter in drawn]
        assert abs(np.mean(factors) - 1) < 0.03


def test_nothing_is_drawn_where_nothing_is_asked() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    assert draw_jitter(Augmentation(), rng) == Jitter()
    assert rng.random() == other.random()
