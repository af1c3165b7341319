"""Phantoms on disk: slides and their truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.errors import ExportError
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.export import write_slide


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


def test_command_writes_a_pair_that_opens_with_its_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"phantom {tmp_path} --pair --size 500 --seed 3 --section next --json".split()
    assert run(words) == 0
    said = json.loads(capsys.readouterr().out)
    phantom = Phantom(3, 500, 500)
    for path, slide in ((said["he"], phantom.he()), (said["ihc"], phantom.ihc("next"))):
        opened = open_slide(Path(path))
        assert opened.mpp == pytest.approx(0.5)
        assert np.array_equal(
            opened.source.read(0, 100, 200, 64, 64)[0], slide.source.read(0, 100, 200, 64, 64)[0]
        )
    truth = json.loads(Path(said["truth"]).read_text())
    cells = np.load(tmp_path / "cells.npz")
    assert truth["schema"] == "virtual-ihc/phantom-truth/1"
    assert truth["fingerprint"] == phantom.fingerprint
    assert len(cells["y"]) == truth["cells"] == said["cells"]
    field = truth["displacement"]
    y, x = np.meshgrid(field["y_um"], field["x_um"], indexing="ij")
    assert np.allclose(phantom.displacement(y, x)[0], field["dy_um"], atol=1e-3)


def test_export_goes_on_and_refuses_another_slide(tmp_path: Path) -> None:
    phantom = Phantom(3, 500, 500)
    write_slide(tmp_path / "HE", phantom.he(), "zarr", quiet)
    chunk = next(p for p in sorted((tmp_path / "HE.ome.zarr" / "0").rglob("*")) if p.name == "0")
    before = chunk.stat().st_mtime_ns
    write_slide(tmp_path / "HE", phantom.he(), "zarr", quiet)
    assert chunk.stat().st_mtime_ns == before
    with pytest.raises(ExportError, match="another slide"):
        write_slide(tmp_path / "HE", Phantom(4, 500, 500).he(), "zarr", quiet)


def test_tiff_keeps_no_staging_folder(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "HE", Phantom(3, 500, 500).he(), "tiff", quiet)
    assert [p.name for p in tmp_path.iterdir()] == ["HE.ome.tiff"]
    assert open_slide(path).mpp == pytest.approx(0.5)


@pytest.mark.parametrize(
    "words",
    [
        "--marker CD3",
        "--size 10",
        "--mpp 9",
        "--pairs 1 --pair-size 60",
        "--pairs 1 --marker CD3",
        "--pairs 2 --section next --truth",
        "--pairs 2 --pair-size 128 --truth",
    ],
)
def test_wrong_words_are_said(
    tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["phantom", str(tmp_path / "out"), *words.split()]) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_a_folder_of_another_phantom_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ["phantom", str(tmp_path / "p"), "--size", "600", "--format", "tiff", "--pair"]
    assert run(first) == 0
    truth = (tmp_path / "p" / "truth.json").read_bytes()
    assert run(["phantom", str(tmp_path / "p"), "--size", "700"]) == 1
    assert "holds another phantom" in capsys.readouterr().err
    assert (tmp_path / "p" / "truth.json").read_bytes() == truth
    assert not (tmp_path / "p" / "HE.ome.zarr").exists()
