from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import tissue, to_ycbcr

from napari_virtual_ihc.slides.readers.codestream import (
    from_ycbcr,
    jpeg2000_size,
    jpeg2000_subsampled,
    jpeg_size,
)

IMAGE = tissue(60, 90)


def test_sizes_of_real_codestreams() -> None:
    assert jpeg_size(imagecodecs.jpeg_encode(IMAGE)) == (60, 90)
    for form in ("j2k", "jp2"):
        data = imagecodecs.jpeg2k_encode(IMAGE, codecformat=form)
        assert jpeg2000_size(data) == (60, 90)
        assert not jpeg2000_subsampled(data)


def test_subsampled_chroma_is_noticed() -> None:
    data = bytearray(imagecodecs.jpeg2k_encode(IMAGE, codecformat="j2k"))
    data[46] = 2
    assert jpeg2000_subsampled(bytes(data))


@given(st.binary(max_size=80))
def test_nonsense_has_no_size_and_raises_nothing(data: bytes) -> None:
    jpeg_size(b"\xff\xd8\xff" + data)
    jpeg2000_size(b"\xff\x4f\xff\x51" + data)
    assert jpeg2000_size(data.replace(b"\xff", b"")) is None


def test_a_frame_header_cut_short_is_no_size() -> None:
    data = imagecodecs.jpeg_encode(IMAGE)
    frame = data.index(b"\xff\xc0")
    assert jpeg_size(data[: frame + 6]) is None
    assert struct.unpack(">H", data[frame + 5 : frame + 7]) == (60,)


def test_ycbcr_round_trip() -> None:
    assert np.abs(from_ycbcr(to_ycbcr(IMAGE)).astype(int) - IMAGE).max() <= 2
    white = np.array([[[255, 128, 128]]], np.uint8)
    assert from_ycbcr(white).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(("value", "rgb"), [(0, [0, 134, 0]), (255, [255, 122, 255])])
def test_ycbcr_extremes_are_clipped_not_wrapped(value: int, rgb: list[int]) -> None:
    out = from_ycbcr(np.full((1, 1, 3), value, np.uint8)).ravel().tolist()
    assert out[0] == rgb[0]
    assert abs(out[1] - rgb[1]) <= 1
    assert out[2] == rgb[2]
