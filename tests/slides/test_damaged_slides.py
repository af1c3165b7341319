from __future__ import annotations

import logging
import random
import struct

import numpy as np
import pytest
import tifffile
import zarr
from make import (
    tissue,
    write_jpeg2000_svs,
    write_ome_tiff,
    write_svs,
    write_tiff,
)
from PIL import Image

from napari_virtual_ihc.errors import SlideError
from napari_virtual_ihc.slides.open import can_open, open_slide

IMAGE = tissue(500, 600)
KINDS = ("svs", "j2k", "ome", "raw", "lzw", "png", "jpg")
REAL = ("CMU-1-Small-Region.svs", "test3-DAPI.ndpi", "small_vectra.qptiff")


def made(kind: str, folder):
    if kind in ("png", "jpg"):
        Image.fromarray(IMAGE).save(folder / f"a.{kind}")
        return folder / f"a.{kind}"
    return {
        "svs": lambda: write_svs(folder / "a.svs", IMAGE, levels=2),
        "j2k": lambda: write_jpeg2000_svs(folder / "a.svs", IMAGE, 33005),
        "ome": lambda: write_ome_tiff(folder / "a.ome.tiff", IMAGE, 0.25, "µm"),
        "raw": lambda: write_tiff(folder / "a.tif", IMAGE, 50_800),
        "lzw": lambda: write_tiff(folder / "a.tif", IMAGE, rowsperstrip=16, compression="lzw"),
    }[kind]()


def looked_at(path, caplog, whole: bool = True) -> str:
    """Do what a viewer does with a file; only one sentence naming it may come out."""
    try:
        slide = open_slide(path).with_mpp(1.0)
        slide.region(50, 60, 200, 200, 1.0)
        if whole:
            slide.thumbnail(100)
        slide.check()
    except SlideError as error:
        text = str(error)
        assert "\n" not in text
        assert text.startswith(path.name)
        assert text.endswith(".")
        return "refused"
    finally:
        assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
    return "open"


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_tenth(kind: str, tmp_path, caplog) -> None:
    path = made(kind, tmp_path)
    data = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(data[: len(data) * tenth // 10])
        looked_at(path, caplog)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits(kind: str, tmp_path, caplog) -> None:
    path = made(kind, tmp_path)
    data = path.read_bytes()
    dice = random.Random(kind)
    for _ in range(12):
        damaged = bytearray(data)
        reach = dice.choice([400, 4000, len(data)])
        for _ in range(dice.choice([1, 10, 100])):
            at = dice.randrange(min(reach, len(data)))
            damaged[at if dice.random() < 0.5 else -1 - at] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        looked_at(path, caplog)


@pytest.mark.parametrize("name", REAL)
def test_real_slides_cut_and_flipped(name: str, shared_data, tmp_path, caplog) -> None:
    data = (shared_data / "wsi" / name).read_bytes()
    path = tmp_path / name
    dice = random.Random(name)
    for tenth in range(1, 10):
        path.write_bytes(data[: len(data) * tenth // 10])
        looked_at(path, caplog, whole=tenth == 9)
        if tenth % 3:
            continue
        damaged = bytearray(data)
        for _ in range(10 ** (tenth % 4)):
            damaged[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        looked_at(path, caplog, whole=False)


def test_real_dicom_cut_and_flipped(shared_data, tmp_path, caplog) -> None:
    folder = shared_data / "wsi" / "dicom_CMU-1-Small-Region"
    volume = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    data, path = volume.read_bytes(), tmp_path / "a.dcm"
    dice = random.Random(1)
    for tenth in range(1, 10):
        path.write_bytes(data[: len(data) * tenth // 10])
        looked_at(path, caplog, whole=tenth == 9)
        if tenth % 3:
            continue
        damaged = bytearray(data)
        for _ in range(200):
            damaged[dice.randrange(5000)] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        looked_at(path, caplog, whole=False)


def test_cut_svs_shows_what_is_left(tmp_path) -> None:
    path = write_tiff(tmp_path / "a.tif", IMAGE, tile=(128, 128), compression="deflate")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    pixels, valid = open_slide(path).source.read(0, 0, 0, 500, 600)
    assert 0.3 < valid.mean() < 0.9
    np.testing.assert_array_equal(pixels[valid], IMAGE[valid])


def test_broken_svs(shared_data) -> None:
    with pytest.raises(SlideError, match=r"broken\.svs is not a slide of any supported kind"):
        open_slide(shared_data / "wsi" / "broken.svs")


def chain(path, target: str):
    """A TIFF whose next-page pointer, or SubIFD, leads back to its first page."""
    extra = {"subifds": 1} if target == "subifd" else {}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(IMAGE, photometric="rgb", metadata=None, **extra)
        if extra:
            tiff.write(IMAGE[::2, ::2], photometric="rgb", subfiletype=1)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        tags = page.offset
        count = len(page.tags)
        sub = page.tags[330].valueoffset if extra else 0
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, sub if extra else tags + 2 + 12 * count, tags)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("target", ["next", "subifd"])
def test_a_tiff_that_refers_to_itself(tmp_path, target: str) -> None:
    slide = open_slide(chain(tmp_path / "a.tif", target))
    assert slide.source.shapes == ((500, 600), (250, 300))
    np.testing.assert_array_equal(np.asarray(slide.levels[0]), IMAGE)


def test_a_tiff_that_claims_100_gigabytes(tmp_path) -> None:
    path = write_tiff(tmp_path / "a.tif", IMAGE[:64, :64])
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for code in (256, 257, 278):
            tiff.pages[0].tags[code].overwrite(180_000, dtype="I")
    with pytest.raises(SlideError, match=r"a\.tif cannot be read as a TIFF slide"):
        open_slide(path)


def test_a_tile_that_claims_to_be_larger_than_its_page_is_masked(tmp_path) -> None:
    path = write_svs(tmp_path / "a.svs", IMAGE)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes())
    frame = data.find(b"\xff\xc0", offset)
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    _, valid = open_slide(path).source.read(0, 0, 0, 500, 600)
    assert not valid[:240, :240].any()
    assert valid[240:, 240:].all()


@pytest.mark.parametrize("name", ["a.svs", "a.tif", "a.png", "a.ndpi", "a.dcm", "a"])
@pytest.mark.parametrize("content", [b"", b"II*\0", b"These are only words.\n" * 40])
def test_what_is_no_slide(tmp_path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SlideError, match=rf"^{name} .*\.$"):
        open_slide(tmp_path / name)


def test_folders_and_missing_files(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SlideError, match="empty is a folder with neither OME-Zarr nor DICOM"):
        open_slide(tmp_path / "empty")
    with pytest.raises(SlideError, match=r"none\.svs does not exist"):
        open_slide(tmp_path / "none.svs")
    with pytest.raises(SlideError, match="cannot be read"):
        open_slide("a\0b.svs")


def test_can_open_judges_by_content(tmp_path) -> None:
    write_svs(tmp_path / "a.dat", IMAGE)
    (tmp_path / "words.svs").write_text("only words")
    assert can_open(tmp_path / "a.dat")
    assert not can_open(tmp_path / "words.svs")
    assert not can_open(tmp_path / "none.svs")
    assert not can_open(tmp_path)


def test_a_zarr_that_claims_to_be_boundless(tmp_path) -> None:
    for side in (200_000, 10_000_000):
        path = tmp_path / f"{side}.zarr"
        zarr.create_array(str(path), shape=(side, side, 3), chunks=(512, 512, 3), dtype="uint8")
        with pytest.raises(
            SlideError, match=rf"{side}\.zarr states {side} by {side} px in 1 level"
        ):
            open_slide(path)
