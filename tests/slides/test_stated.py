from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_virtual_ihc.slides.ome_tiff import write_ome_tiff
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
from napari_virtual_ihc.slides.stated import described, stated

if TYPE_CHECKING:
    from pathlib import Path

FACTS = {"virtual": True, "model": {"name": "demo"}}


def test_both_formats_state_how_their_pixels_were_made(tmp_path: Path) -> None:
    pyramid = OmeZarrPyramid.create(
        tmp_path / "a.ome.zarr", height=64, width=64, mpp=0.5, tile=64, attributes=FACTS
    )
    pyramid.write_tile(0, 0, np.zeros((64, 64, 3), np.uint8))
    pyramid.build_levels()
    write_ome_tiff(tmp_path / "a.ome.tiff", pyramid, FACTS)
    assert stated(tmp_path / "a.ome.zarr") == FACTS
    assert stated(tmp_path / "a.ome.tiff") == FACTS


def test_files_of_others_state_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tif")
    (tmp_path / "empty").mkdir()
    for name in ("a.png", "a.tif", "empty", "none.tif"):
        assert stated(tmp_path / name) == {}
    assert described("<a") == described("<a><Description>[1]</Description></a>") == {}
