from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from make import tissue
from PIL import Image

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.open import open_slide

IMAGE = tissue(700, 600)


def save(path, mode="RGB", **options):
    Image.fromarray(IMAGE).convert(mode).save(path, **options)
    return path


def png_that_claims(path, width: int, height: int):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_png_is_lossless_and_gets_a_pyramid(tmp_path) -> None:
    slide = open_slide(save(tmp_path / "a.png"))
    np.testing.assert_array_equal(np.asarray(slide.levels[0]), IMAGE)
    assert slide.source.shapes == ((700, 600), (350, 300))
    assert slide.mpp is None


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_stated_resolution_is_taken_and_defaults_are_not(tmp_path, name: str) -> None:
    assert open_slide(save(tmp_path / name, dpi=(72, 72))).mpp is None
    assert open_slide(save(tmp_path / name, dpi=(96, 96))).mpp is None
    fine = open_slide(save(tmp_path / name, dpi=(50_800, 50_800)))
    assert fine.mpp == pytest.approx(0.5, rel=1e-3)


def test_content_decides_not_the_ending(tmp_path) -> None:
    save(tmp_path / "a.png").rename(tmp_path / "a.svs")
    assert open_slide(tmp_path / "a.svs").vendor == "picture"


@pytest.mark.parametrize("mode", ["L", "P", "I;16", "LA"])
def test_other_than_rgb_is_refused_by_name(tmp_path, mode: str) -> None:
    if mode == "I;16":
        Image.fromarray(IMAGE[..., 0].astype(np.uint16)).save(tmp_path / "a.png")
    else:
        save(tmp_path / "a.png", mode)
    with pytest.raises(NotBrightfieldError, match=r"a\.png holds a picture of mode"):
        open_slide(tmp_path / "a.png")


def test_a_picture_that_claims_100_gigabytes_is_refused(tmp_path) -> None:
    with pytest.raises(SlideError, match=r"a\.png is too large for a PNG or JPEG"):
        open_slide(png_that_claims(tmp_path / "a.png", 200_000, 170_000))


def test_a_picture_cut_short_opens_with_every_pixel_masked(tmp_path) -> None:
    path = save(tmp_path / "a.jpg", quality=90)
    path.write_bytes(path.read_bytes()[:3000])
    region = open_slide(path, mpp=0.5).region(0, 0, 50, 50, 0.5)
    assert not region.valid.any()
    assert (region.pixels == 242).all()
