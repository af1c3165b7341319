from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import zarr
from make import tissue, write_ome_zarr

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

IMAGE = tissue(330, 470)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["tczyx", "cyx", "yxc"])
def test_every_layout_gives_the_same_rgb(tmp_path, version: str, axes: str) -> None:
    path = tmp_path / "a.ome.zarr"
    write_ome_zarr(path, IMAGE, version=version, axes=axes, scale=0.5, unit="micrometer")
    slide = open_slide(path)
    assert slide.mpp == 0.5
    assert slide.source.shapes == ((330, 470), (165, 235))
    np.testing.assert_array_equal(np.asarray(slide.levels[0]), IMAGE)
    np.testing.assert_array_equal(slide.source.read(0, 95, 190, 30, 60)[0], IMAGE[95:125, 190:250])


@pytest.mark.parametrize(
    ("scale", "unit", "mpp"),
    [(250.0, "nanometer", 0.25), (0.0005, "millimeter", 0.5), (0.5, None, None)],
)
def test_units(tmp_path, scale: float, unit: str | None, mpp: float | None) -> None:
    path = tmp_path / "a.ome.zarr"
    write_ome_zarr(path, IMAGE, version="0.5", axes="cyx", scale=scale, unit=unit)
    assert open_slide(path).mpp == (None if mpp is None else pytest.approx(mpp))


def test_plain_array_of_rgb(tmp_path) -> None:
    array = zarr.create_array(str(tmp_path / "a.zarr"), shape=IMAGE.shape, dtype="uint8",
                              chunks=(64, 64, 3))  # fmt: skip
    array[...] = IMAGE
    slide = open_slide(tmp_path / "a.zarr")
    assert slide.mpp is None
    np.testing.assert_array_equal(np.asarray(slide.levels[0]), IMAGE)


def test_other_than_rgb_is_refused_by_name(tmp_path) -> None:
    for name, shape, kind in (("four.zarr", (9, 9, 5), "uint8"), ("deep.zarr", (9, 9, 3), "u2")):
        zarr.create_array(str(tmp_path / name), shape=shape, dtype=kind)
        with pytest.raises(NotBrightfieldError, match=rf"{name} .*not 8-bit brightfield"):
            open_slide(tmp_path / name)


def test_a_damaged_chunk_is_masked(tmp_path) -> None:
    path = tmp_path / "a.ome.zarr"
    write_ome_zarr(path, IMAGE, version="0.5", axes="cyx", scale=0.5, unit="micrometer")
    (path / "0" / "c" / "1" / "1" / "2").write_bytes(b"nonsense")
    pixels, valid = open_slide(path).source.read(0, 0, 0, 330, 470)
    expected = np.ones((330, 470), np.bool_)
    expected[100:200, 200:300] = False
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(pixels[expected], IMAGE[expected])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"zarr_format": 3, "node_type": "group"}', '{"zarr_format": 3}', "\xff"]
)
def test_damaged_metadata_is_one_sentence(tmp_path, text: str) -> None:
    path = tmp_path / "a.ome.zarr"
    path.mkdir()
    (path / "zarr.json").write_text(text, encoding="latin-1")
    with pytest.raises(SlideError, match=r"^a\.ome\.zarr cannot be read as OME-Zarr: .*\.$"):
        open_slide(path)


def test_a_missing_level_is_one_sentence(tmp_path) -> None:
    path = tmp_path / "a.ome.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": [{"name": a} for a in "cyx"], "datasets": [{"path": "0"}]}],
    }
    with pytest.raises(SlideError, match=r"a\.ome\.zarr cannot be read"):
        open_slide(path)


def sparse(path, side: int) -> None:
    group = zarr.open_group(str(path), mode="w")
    datasets = []
    for level in range(9):
        size = side >> level
        group.create_array(str(level), shape=(3, size, size), chunks=(3, 512, 512), dtype="uint8")
        step = [{"type": "scale", "scale": [1, 0.25 * 2**level, 0.25 * 2**level]}]
        datasets.append({"path": str(level), "coordinateTransformations": step})
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    content = {"axes": [{"name": "c", "type": "channel"}, *axes], "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [content]}
    block = np.ascontiguousarray(tissue(512, 512).transpose(2, 0, 1))
    group["0"][:, 51200:51712, 51200:51712] = block


def test_a_slide_of_100_000_px_opens_in_under_a_second(tmp_path) -> None:
    path = tmp_path / "big.ome.zarr"
    sparse(path, 100_000)
    script = textwrap.dedent(f"""
        import time
        import zarr, tifffile, pydicom, PIL.Image, dask.array, openslide
        from napari_virtual_ihc.slides.open import open_slide
        started = time.process_time()
        slide = open_slide({str(path)!r})
        shapes = [level.shape for level in slide.levels]
        assert shapes[0] == (100_000, 100_000, 3), shapes
        print(time.process_time() - started)
    """)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.0
    slide = open_slide(path)
    region = slide.region(51_200 * 0.25, 51_200 * 0.25, 512, 512, 0.25)
    np.testing.assert_array_equal(region.pixels, tissue(512, 512))
    assert (slide.region(0, 0, 8, 8, 0.25).pixels == 242).all()


def test_a_lost_chunk_is_told_from_a_blank_one_by_the_next_level(tmp_path) -> None:
    rng = np.random.default_rng(0)
    pyramid = OmeZarrPyramid.create(
        tmp_path / "a.ome.zarr", height=1024, width=1024, mpp=0.5, tile=256, attributes={}
    )
    for row, col in np.ndindex(4, 4):
        if (row, col) != (3, 3):
            pyramid.write_tile(row, col, rng.integers(90, 220, (256, 256, 3)).astype(np.uint8))
    pyramid.build_levels()
    (pyramid.path / "0" / "c" / "0" / "1" / "2").unlink()
    (pyramid.path / "1" / "c" / "0" / "0" / "0").unlink()
    slide = open_slide(pyramid.path)
    _, valid = slide.source.read(0, 0, 0, 1024, 1024)
    expected = np.ones((1024, 1024), np.bool_)
    expected[256:512, 512:768] = False
    np.testing.assert_array_equal(valid, expected)
    _, coarse = slide.source.read(1, 0, 0, 512, 512)
    assert not coarse[:256, :256].any()
    assert coarse[:256, 256:].all()
