from __future__ import annotations

import pickle

import numpy as np
import pytest
import tifffile
from make import tissue, write_svs

from napari_virtual_ihc.errors import SlideError
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.readers import openslide as reader

needs_openslide = pytest.mark.skipif(not reader.available(), reason="OpenSlide is not installed")
IMAGE = tissue(1300, 1100)


@needs_openslide
def test_shows_what_the_tiff_reader_shows(tmp_path) -> None:
    path = write_svs(tmp_path / "a.svs", IMAGE, mpp=0.25, levels=2)
    opened = reader.open_openslide(path)
    ours = open_slide(path)
    assert (opened.mpp, opened.vendor) == (0.25, "aperio")
    assert opened.source.shapes == ours.source.shapes[:2]
    for level, y, x in ((0, 500, 500), (1, 10, 300)):
        theirs, valid = opened.source.read(level, y, x, 100, 130)
        error = np.abs(theirs.astype(int) - ours.source.read(level, y, x, 100, 130)[0])
        assert error.max() <= 3
        assert valid.all()


@needs_openslide
def test_a_dead_handle_is_replaced(tmp_path) -> None:
    path = write_svs(tmp_path / "a.svs", IMAGE)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        offset, count = page.dataoffsets[6], page.databytecounts[6]
    data = bytearray(path.read_bytes())
    data[offset : offset + count] = b"\0" * count
    path.write_bytes(data)
    source = reader.open_openslide(path).source
    _, valid = source.read(0, 0, 0, 1300, 1100)
    assert not valid[:512, :512].any()
    assert valid[512:, 512:].all()


@needs_openslide
def test_slide_reopens_in_another_process(tmp_path) -> None:
    source = reader.open_openslide(write_svs(tmp_path / "a.svs", IMAGE)).source
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.read(0, 5, 5, 9, 9)[0], source.read(0, 5, 5, 9, 9)[0])


@needs_openslide
def test_nonsense_with_a_known_ending_is_one_sentence(tmp_path) -> None:
    (tmp_path / "a.mrxs").write_text("no slide")
    with pytest.raises(SlideError, match=r"a\.mrxs cannot be read as a slide"):
        open_slide(tmp_path / "a.mrxs")


def test_missing_openslide_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reader, "_library", lambda: None)
    (tmp_path / "a.mrxs").write_text("x")
    philips = tmp_path / "p.tiff"
    tifffile.imwrite(philips, IMAGE[:64, :64], software="Philips DP v1.0", metadata=None,
                     description="<DataObject></DataObject>")  # fmt: skip
    for path in (tmp_path / "a.mrxs", philips):
        with pytest.raises(SlideError, match=r"napari-virtual-ihc\[slides\]"):
            open_slide(path)
