from __future__ import annotations

import pickle

import numpy as np
import pytest
import tifffile
from make import (
    levels_of,
    tissue,
    write_jpeg2000_svs,
    write_ome_tiff,
    write_svs,
    write_tiff,
)

from napari_virtual_ihc.errors import NotBrightfieldError, SlideError
from napari_virtual_ihc.slides.open import open_slide

IMAGE = tissue(700, 900)


def full(slide) -> np.ndarray:
    return np.asarray(slide.levels[0])


def test_svs_levels_scale_and_pixels(tmp_path) -> None:
    slide = open_slide(write_svs(tmp_path / "a.svs", IMAGE, mpp=0.2525, levels=2))
    assert (slide.vendor, slide.mpp) == ("aperio", 0.2525)
    assert slide.source.shapes == ((700, 900), (350, 450))
    assert np.abs(full(slide).astype(int) - IMAGE).mean() < 2
    assert np.abs(np.asarray(slide.levels[1]).astype(int) - levels_of(IMAGE, 2)[1]).mean() < 2


@pytest.mark.parametrize(("compression", "tolerance"), [(33005, 0), (33003, 2)])
def test_aperio_jpeg2000(tmp_path, compression: int, tolerance: int) -> None:
    slide = open_slide(write_jpeg2000_svs(tmp_path / "a.svs", IMAGE, compression))
    assert slide.mpp == 0.25
    assert np.abs(full(slide).astype(int) - IMAGE).max() <= tolerance


@pytest.mark.parametrize(
    ("size", "unit", "mpp"), [(0.25, "µm", 0.25), (250.0, "nm", 0.25), (0.00025, "mm", 0.25)]
)
def test_ome_tiff_units(tmp_path, size: float, unit: str, mpp: float) -> None:
    slide = open_slide(write_ome_tiff(tmp_path / "a.ome.tiff", IMAGE, size, unit))
    assert slide.mpp == pytest.approx(mpp)
    assert slide.source.shapes == ((700, 900), (350, 450), (175, 225))
    np.testing.assert_array_equal(full(slide), IMAGE)


def test_anisotropic_pixels_are_refused_by_name(tmp_path) -> None:
    path = write_ome_tiff(tmp_path / "a.ome.tiff", IMAGE, 0.25, "µm", y=0.2551)
    with pytest.raises(SlideError, match=r"a\.ome\.tiff has pixels of 0\.25 by 0\.2551 µm"):
        open_slide(path)
    nearly = write_ome_tiff(tmp_path / "b.ome.tiff", IMAGE, 0.25, "µm", y=0.254)
    assert open_slide(nearly).mpp == pytest.approx(0.252)


@pytest.mark.parametrize(
    ("dpi", "mpp"),
    [(None, None), (72, None), (96, None), (1, None), (71.12, None), (300, None), (50800, 0.5)],
)
def test_default_resolutions_are_no_scale(tmp_path, dpi, mpp) -> None:
    assert open_slide(write_tiff(tmp_path / "a.tif", IMAGE, dpi)).mpp == mpp


def test_given_scale_overrides_and_contradiction_is_noted(tmp_path) -> None:
    path = write_tiff(tmp_path / "a.tif", IMAGE, 50800)
    slide = open_slide(path, mpp=0.25)
    assert slide.mpp == 0.25
    assert slide.notes == ("a.tif states 0.5 µm/px; 0.25 is used as given.",)
    assert open_slide(path, mpp=0.5).notes == ()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 16},
        {"rowsperstrip": 33, "compression": "lzw"},
        {"compression": "deflate", "predictor": True, "tile": (64, 128)},
        {"compression": "zstd", "tile": (128, 128)},
        {"planarconfig": "separate", "tile": (64, 64)},
        {"bigtiff": True, "byteorder": ">"},
    ],
)
def test_plain_tiff_of_every_storage_is_lossless(tmp_path, options) -> None:
    image = IMAGE.transpose(2, 0, 1) if "planarconfig" in options else IMAGE
    slide = open_slide(write_tiff(tmp_path / "a.tif", np.ascontiguousarray(image), **options))
    np.testing.assert_array_equal(full(slide), IMAGE)
    assert slide.source.shapes[1:] == ((350, 450),)


def test_generic_pyramid_is_taken_and_other_pages_are_not(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for level in levels_of(IMAGE, 3):
            reduced = int(level is not IMAGE)
            tiff.write(level, tile=(128, 128), photometric="rgb", subfiletype=reduced)
        tiff.write(IMAGE[:300, :100], tile=(128, 128), photometric="rgb", description="label")
    slide = open_slide(tmp_path / "a.tif")
    assert slide.source.shapes == ((700, 900), (350, 450), (175, 225))


def test_levels_four_apart_stay_so(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for level in levels_of(IMAGE, 3, factor=4):
            tiff.write(level, tile=(128, 128), photometric="rgb")
    assert open_slide(tmp_path / "a.tif").scales == (1.0, 4.0, 16.0)


def test_label_and_macro_are_never_decoded(tmp_path, monkeypatch) -> None:
    path = write_svs(tmp_path / "a.svs", IMAGE)
    touched = set()
    real = tifffile.TiffPage.decode.func

    def spy(page):
        touched.add(page.shape)
        return real(page)

    monkeypatch.setattr(tifffile.TiffPage, "decode", property(spy))
    slide = open_slide(path)
    slide.thumbnail(100)
    slide.check()
    full(slide)
    assert touched == {(700, 900, 3)}


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (IMAGE[..., 0], {"photometric": "minisblack"}, "1 channel"),
        (IMAGE.astype(np.uint16), {"photometric": "rgb"}, "uint16"),
        (np.zeros((5, 64, 64), np.uint8), {"photometric": "minisblack", "planarconfig": 2}, "5 ch"),
        (
            IMAGE[..., 0],
            {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
            "palette",
        ),
        (IMAGE, {"photometric": "cielab"}, "CIELAB"),
    ],
)
def test_other_than_brightfield_is_refused_by_name(tmp_path, image, options, words) -> None:
    tifffile.imwrite(tmp_path / "a.tif", image, metadata=None, **options)
    with pytest.raises(NotBrightfieldError, match=rf"a\.tif holds .*{words}.*not brightfield"):
        open_slide(tmp_path / "a.tif")


def test_an_absent_tile_is_glass_and_a_cut_one_is_masked(tmp_path) -> None:
    path = write_tiff(tmp_path / "a.tif", IMAGE, tile=(256, 256), compression="deflate")
    with tifffile.TiffFile(path, mode="r+") as tiff:
        counts = list(tiff.pages[0].databytecounts)
        counts[0] = 0
        tiff.pages[0].tags[325].overwrite(counts)
        end = tiff.pages[0].dataoffsets[-1]
    data = path.read_bytes()
    path.write_bytes(data[: end + 50])
    slide = open_slide(path)
    pixels, valid = slide.source.read(0, 0, 0, 700, 900)
    assert (pixels[:256, :256] == 242).all()
    assert valid[:256, :256].all()
    assert not valid[512:, 768:].any()
    assert valid.mean() > 0.9


def test_slide_reopens_in_another_process(tmp_path) -> None:
    slide = open_slide(write_svs(tmp_path / "a.svs", IMAGE))
    again = pickle.loads(pickle.dumps(slide))
    np.testing.assert_array_equal(full(again), full(slide))
    assert again.fingerprint == slide.fingerprint


def test_fingerprint_ignores_name_and_place(tmp_path) -> None:
    path = write_svs(tmp_path / "a.svs", IMAGE)
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / "b.tif"
    moved.write_bytes(path.read_bytes())
    assert open_slide(moved).fingerprint == open_slide(path).fingerprint


def test_real_svs(shared_data) -> None:
    slide = open_slide(shared_data / "wsi" / "CMU-1-Small-Region.svs")
    assert slide.mpp == 0.499
    assert slide.source.shapes[0] == (2967, 2220)
    assert slide.vendor == "aperio"
    assert slide.check() == ()
    with tifffile.TiffFile(shared_data / "wsi" / "CMU-1-Small-Region.svs") as tiff:
        np.testing.assert_array_equal(full(slide), tiff.pages[0].asarray())


def test_real_fluorescence_ndpi_is_refused_from_its_tags(shared_data) -> None:
    with pytest.raises(NotBrightfieldError, match=r"filter set DAPI 2 \(387\)"):
        open_slide(shared_data / "wsi" / "test3-DAPI.ndpi")


def test_real_ndpi_without_that_tag_is_read_right_and_refused_as_dark(
    shared_data, tmp_path
) -> None:
    path = tmp_path / "x.ndpi"
    data = (shared_data / "wsi" / "test3-DAPI.ndpi").read_bytes()
    path.write_bytes(data.replace(b"\x9a\xff\x02\x00", b"\x01\xf0\x02\x00"))
    slide = open_slide(path)
    assert slide.mpp == pytest.approx(10_000 / 43_826)
    assert slide.source.shapes[:4] == ((4864, 3968), (2432, 1984), (1216, 992), (608, 496))
    with pytest.raises(NotBrightfieldError, match=r"x\.ndpi has a dark background"):
        slide.thumbnail(200)
    with tifffile.TiffFile(path) as tiff:
        expected = tiff.pages[1].asarray()
    np.testing.assert_array_equal(slide.source.read(1, 1000, 500, 300, 400)[0],
                                  expected[1000:1300, 500:900])  # fmt: skip


def test_real_qptiff_is_refused_by_name(shared_data) -> None:
    with pytest.raises(NotBrightfieldError, match=r"small_vectra\.qptiff holds fluorescence"):
        open_slide(shared_data / "wsi" / "small_vectra.qptiff")
