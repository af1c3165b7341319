from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from make import levels_of, tissue

from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.slides import ome_tiff
from napari_virtual_ihc.slides.ome_tiff import write_ome_tiff
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

IMAGE = tissue(1301, 1003)
FACTS = {"schema": "virtual-ihc/export/1", "marker": "Ki-67"}
TAGS = {
    "NewSubfileType", "ImageWidth", "ImageLength", "BitsPerSample", "Compression",
    "PhotometricInterpretation", "ImageDescription", "SamplesPerPixel", "XResolution",
    "YResolution", "PlanarConfiguration", "ResolutionUnit", "Software", "Predictor", "TileWidth",
    "TileLength", "TileOffsets", "TileByteCounts", "SubIFDs",
}  # fmt: skip


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory) -> OmeZarrPyramid:
    made = OmeZarrPyramid.create(
        tmp_path_factory.mktemp("p") / "patient-4711.ome.zarr",
        height=1301, width=1003, mpp=0.5, tile=256, attributes=FACTS,
    )  # fmt: skip
    for row, col in np.ndindex(*made.grid):
        y, x = row * 256, col * 256
        made.write_tile(row, col, IMAGE[y : y + 256, x : x + 256])
    made.build_levels()
    return made


def test_round_trip_through_open_slide(pyramid, tmp_path) -> None:
    told: list[tuple[int, int]] = []
    write_ome_tiff(tmp_path / "a.ome.tiff", pyramid, FACTS, lambda *done: told.append(done))
    slide = open_slide(tmp_path / "a.ome.tiff")
    assert slide.mpp == 0.5
    assert slide.source.shapes == pyramid.shapes
    for level, expected in enumerate(levels_of(IMAGE, 3)):
        np.testing.assert_array_equal(np.asarray(slide.levels[level]), expected)
    assert told[-1] == (24 + 6 + 2, 24 + 6 + 2)


def test_only_allowed_tags_are_written_and_provenance_is_readable(pyramid, tmp_path) -> None:
    path = tmp_path / "a.ome.tiff"
    write_ome_tiff(path, pyramid, FACTS)
    with tifffile.TiffFile(path) as tiff:
        assert {tag.name for page in tiff.pages for tag in page.tags} <= TAGS
        assert [level.shape for level in tiff.series[0].levels][1:] == [
            (651, 502, 3),
            (326, 251, 3),
        ]
        root = ElementTree.fromstring(tiff.ome_metadata)
    words = next(node.text for node in root.iter() if node.tag.endswith("Description"))
    assert json.loads(words) == FACTS
    assert b"4711" not in path.read_bytes()


def test_same_input_gives_the_same_bytes(pyramid, tmp_path) -> None:
    for name in ("a.ome.tiff", "b.ome.tiff"):
        write_ome_tiff(tmp_path / name, pyramid, FACTS)
    assert (tmp_path / "a.ome.tiff").read_bytes() == (tmp_path / "b.ome.tiff").read_bytes()


def test_a_failed_write_leaves_what_was_there(pyramid, tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.ome.tiff"
    path.write_text("before")

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ome_tiff.tifffile.TiffWriter, "write", full_disk)
    with pytest.raises(ExportError, match=r"a\.ome\.tiff cannot be written: .*No space left"):
        write_ome_tiff(path, pyramid, FACTS)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == ["a.ome.tiff"]


def test_a_missing_folder_is_one_sentence(pyramid, tmp_path) -> None:
    with pytest.raises(ExportError, match=r"a\.ome\.tiff cannot be written"):
        write_ome_tiff(tmp_path / "none" / "a.ome.tiff", pyramid, FACTS)
