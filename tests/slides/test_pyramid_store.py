from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from make import levels_of, tissue
from ome_zarr_models.v05 import Image

from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.slides.ome_metadata import KEY
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

IMAGE = tissue(1301, 1003)
FACTS = {"schema": "virtual-ihc/export/1", "model": "abc"}


def made(path, tile: int = 256, **options) -> OmeZarrPyramid:
    return OmeZarrPyramid.create(
        path, height=1301, width=1003, mpp=0.5, tile=tile, attributes=FACTS, **options
    )


def filled(path, tile: int = 256, skip: tuple[tuple[int, int], ...] = ()) -> OmeZarrPyramid:
    pyramid = made(path, tile)
    for row, col in np.ndindex(*pyramid.grid):
        if (row, col) not in skip:
            y, x = row * tile, col * tile
            pyramid.write_tile(row, col, IMAGE[y : y + tile, x : x + tile])
    return pyramid


def test_round_trip_through_open_slide(tmp_path) -> None:
    filled(tmp_path / "a.ome.zarr").build_levels()
    slide = open_slide(tmp_path / "a.ome.zarr")
    assert slide.mpp == 0.5
    assert slide.source.shapes == ((1301, 1003), (651, 502), (326, 251))
    for level, expected in enumerate(levels_of(IMAGE, 3)):
        np.testing.assert_array_equal(np.asarray(slide.levels[level]), expected)


@settings(max_examples=6, deadline=None)
@given(tile=st.integers(100, 700))
def test_coarser_levels_do_not_depend_on_the_tile(tile: int, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("pyramid") / "a.ome.zarr"
    pyramid = filled(path, tile)
    pyramid.build_levels()
    for level, expected in enumerate(levels_of(IMAGE, 3)):
        np.testing.assert_array_equal(pyramid.read(level, 0, 0, 2000, 2000), expected)


def test_metadata_is_valid_and_every_level_lies_on_the_same_ground(tmp_path) -> None:
    filled(tmp_path / "a.ome.zarr")
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")
    Image.from_zarr(group)
    assert group.attrs[KEY] == FACTS
    for item in group.attrs["ome"]["multiscales"][0]["datasets"]:
        scale, shift = (step[step["type"]][1] for step in item["coordinateTransformations"])
        assert shift - scale / 2 == 0.0
        assert scale == 0.5 * 2 ** int(item["path"])
    assert group["0"].chunks == (3, 256, 256)


def test_interrupted_work_is_found_again(tmp_path) -> None:
    path = tmp_path / "a.ome.zarr"
    filled(path, skip=((1, 2), (5, 3)))
    pyramid = OmeZarrPyramid.open(path)
    missing = [place for place in np.ndindex(*pyramid.grid) if not pyramid.has_tile(*place)]
    assert missing == [(1, 2), (5, 3)]
    assert pyramid.attributes == FACTS
    assert (pyramid.mpp, pyramid.tile, pyramid.shapes[0]) == (0.5, 256, (1301, 1003))


def test_a_tile_of_background_colour_counts_as_written(tmp_path) -> None:
    pyramid = made(tmp_path / "a.ome.zarr", background=230)
    pyramid.write_tile(0, 0, np.full((256, 256, 3), 230, np.uint8))
    assert pyramid.has_tile(0, 0)
    assert (pyramid.read(0, 256, 256, 9, 9) == 230).all()


def test_what_was_never_written_stays_background_at_every_level(tmp_path) -> None:
    pyramid = made(tmp_path / "a.ome.zarr", background=230)
    pyramid.write_tile(0, 0, np.zeros((256, 256, 3), np.uint8))
    pyramid.build_levels()
    coarse = pyramid.read(2, 0, 0, 999, 999)
    assert (coarse[:64, :64] == 0).all()
    coarse[:64, :64] = 230
    assert (coarse == 230).all()


def test_each_tile_is_one_file_and_nothing_partial_is_left(tmp_path) -> None:
    filled(tmp_path / "a.ome.zarr", skip=((0, 0),))
    files = [p for p in (tmp_path / "a.ome.zarr" / "0").rglob("*") if p.is_file()]
    assert len(files) == 6 * 4 - 1 + 1
    assert not [p for p in files if "partial" in p.name]


def test_a_folder_in_use_is_not_overwritten(tmp_path) -> None:
    filled(tmp_path / "a.ome.zarr")
    with pytest.raises(ExportError, match=r"a\.ome\.zarr exists already"):
        made(tmp_path / "a.ome.zarr")
    assert OmeZarrPyramid.open(tmp_path / "a.ome.zarr").has_tile(0, 0)


def test_disk_errors_are_one_sentence(tmp_path, monkeypatch) -> None:
    pyramid = made(tmp_path / "a.ome.zarr")
    monkeypatch.setattr(zarr.Array, "__setitem__", full_disk)
    with pytest.raises(ExportError, match=r"a\.ome\.zarr cannot be written: .*No space left"):
        pyramid.write_tile(0, 0, IMAGE[:256, :256])
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="cannot be written"):
        made(tmp_path / "file" / "a.ome.zarr")


def full_disk(*_) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("content", [None, "{", '{"zarr_format": 3, "node_type": "group"}'])
def test_what_is_no_pyramid_of_ours(tmp_path, content) -> None:
    if content is not None:
        (tmp_path / "a.ome.zarr").mkdir()
        (tmp_path / "a.ome.zarr" / "zarr.json").write_text(content)
    with pytest.raises(ExportError, match=r"a\.ome\.zarr is not a pyramid written by this"):
        OmeZarrPyramid.open(tmp_path / "a.ome.zarr")


def test_metadata_names_no_file(tmp_path) -> None:
    path = tmp_path / "patient-4711.ome.zarr"
    filled(path)
    assert "4711" not in json.dumps(json.loads((path / "zarr.json").read_text()))
