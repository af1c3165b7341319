from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import ArraySource, tissue
from PIL import Image

from napari_virtual_ihc.slides.resample import mirrored, resample
from napari_virtual_ihc.slides.slide import Slide

IMAGE = tissue(150, 190)
SOURCE = ArraySource(IMAGE)
MPPS = st.sampled_from([0.5, 0.25, 0.3, 0.77, 1.0, 1.5, 2.0, 3.3, 0.49999999])


def grid(row: int, col: int, h: int, w: int, scale: float) -> np.ndarray:
    read = lambda *window: SOURCE.read(0, *window)  # noqa: E731
    return resample(read, (150, 190), (row, col), (h, w), scale)[0]


@settings(max_examples=60, deadline=None)
@given(
    mpp=MPPS,
    row=st.integers(-300, 400),
    col=st.integers(-300, 400),
    h=st.integers(2, 90),
    w=st.integers(2, 90),
    cut=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
)
def test_any_split_of_a_region_has_the_bytes_of_the_whole(mpp, row, col, h, w, cut) -> None:
    slide = Slide("s", ArraySource(IMAGE, levels=3), 0.5, trusted=True)
    whole = slide.region(row * mpp, col * mpp, h, w, mpp).pixels
    a, b = min(max(int(cut[0] * h), 1), h - 1), min(max(int(cut[1] * w), 1), w - 1)
    for r0, r1 in ((0, a), (a, h)):
        for c0, c1 in ((0, b), (b, w)):
            y, x = (row + r0) * mpp, (col + c0) * mpp
            part = slide.region(y, x, r1 - r0, c1 - c0, mpp).pixels
            np.testing.assert_array_equal(part, whole[r0:r1, c0:c1])


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(0.3, 9.0),
    row=st.integers(-50, 50),
    size=st.integers(1, 70),
    bad=st.tuples(st.integers(0, 149), st.integers(0, 189)),
)
def test_validity_splits_like_pixels_and_follows_the_taps(scale, row, size, bad) -> None:
    mask = np.zeros((150, 190), np.bool_)
    mask[bad] = True
    changed = IMAGE.copy()
    changed[bad] = 255 - changed[bad]
    regions = [
        resample(lambda *w, s=source: s.read(0, *w), (150, 190), (row, row), (size, size), scale)
        for source in (ArraySource(IMAGE, mask), ArraySource(changed))
    ]
    moved = (regions[0][0] != regions[1][0]).any(axis=-1)
    assert not (moved & regions[0][1]).any()


def test_agrees_with_pillow_to_one_grey_level() -> None:
    ours = grid(0, 0, 75, 95, 2.0).astype(int)
    pillow = np.asarray(Image.fromarray(IMAGE).resize((95, 75), Image.Resampling.BICUBIC))
    assert np.abs(ours - pillow)[3:-3, 3:-3].max() <= 1


def test_scale_one_copies() -> None:
    np.testing.assert_array_equal(grid(10, 20, 30, 40, 1.0 + 1e-8), IMAGE[10:40, 20:60])


def test_constant_stays_constant_and_glass_is_not_darkened() -> None:
    flat = np.full((40, 40, 3), 255, np.uint8)
    for scale in (0.4, 1.7, 3.9, 13.0):
        out = resample(
            lambda y, x, h, w: (flat[:h, :w], np.ones((h, w), bool)), (40, 40), (-5, 3), (9, 9),
            scale,
        )  # fmt: skip
        assert (out[0] == 255).all()


def test_antialiased_stripes_turn_grey_instead_of_beating() -> None:
    stripes = np.zeros((64, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    source = ArraySource(stripes)
    out = resample(lambda *w: source.read(0, *w), (64, 256), (4, 8), (4, 40), 4.3)[0]
    assert np.ptp(out) < 12
    assert abs(float(out.mean()) - 127.5) < 2


def test_a_point_stays_where_it_is_in_micrometres() -> None:
    y, x = np.mgrid[:150, :190]
    spot = 255 * np.exp(-((y + 0.5 - 70.25) ** 2 + (x + 0.5 - 101.5) ** 2) / 200)
    source = ArraySource(np.repeat(spot[..., None], 3, axis=2).astype(np.uint8), levels=3)
    slide = Slide("spot", source, 0.5, trusted=True)
    for mpp in (0.25, 0.5, 0.6, 1.0, 1.3, 2.0):
        size = int(70 / mpp)
        seen = slide.region(0, 0, size, size, mpp).pixels[..., 0].astype(float)
        rows, cols = (np.arange(size) + 0.5) * mpp, (np.arange(size) + 0.5) * mpp
        total = seen.sum()
        assert (seen.sum(1) @ rows) / total == pytest.approx(70.25 * 0.5, abs=0.05)
        assert (seen.sum(0) @ cols) / total == pytest.approx(101.5 * 0.5, abs=0.05)


@given(st.integers(1, 7), st.integers(-40, 40))
def test_mirror_repeats_the_edge_pixel_and_has_no_end(length: int, start: int) -> None:
    padded = np.pad(np.arange(length), 60, mode="symmetric")
    np.testing.assert_array_equal(
        mirrored(start, start + 9, length), padded[60 + start : 60 + start + 9]
    )


def test_far_beyond_the_edge_is_the_mirrored_slide() -> None:
    slide = Slide("s", SOURCE, 0.5, trusted=True)
    near = slide.region(0, 0, 150, 190, 0.5).pixels
    far = slide.region(-150 * 0.5 * 21, 0, 150, 190, 0.5).pixels
    np.testing.assert_array_equal(far, near[::-1])
