"""Phantoms on disk: slides, truth and training pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.errors import ExportError, UsageError
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.export import write_slide
from napari_virtual_ihc.slides.phantom.pairs import pairs, write_pairs


def quiet(done: int, total: int) -> None:
    assert 0 < done <= total


def test_pairs_are_a_function_of_their_arguments_and_match(tmp_path: Path) -> None:
    counts = write_pairs(tmp_path, 4, 256, 3, "Ki-67")
    names = sorted(p.name for p in (tmp_path / "trainA").iterdir())
    assert counts == {"train": 4, "val": 0}
    assert names == sorted(p.name for p in (tmp_path / "trainB").iterdir())
    first = next(iter(pairs(1, 256, 3, "Ki-67")))
    on_disk = np.asarray(Image.open(tmp_path / "trainA" / first.name))
    assert np.array_equal(on_disk, first.he)
    assert json.loads((tmp_path / "pairs.json").read_text())["um_per_px"] == 0.5


def test_pairs_of_a_size_that_does_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="300"):
        next(iter(pairs(1, 300, 3, "Ki-67")))


def test_validation_slides_are_not_training_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = np.zeros((512, 512, 3), np.uint8)
    monkeypatch.setattr(
        "napari_virtual_ihc.slides.phantom.pairs._cut",
        lambda phantom, size, section: [(f"{i}", blank, blank) for i in range(4)],
    )
    made = list(pairs(64, 512, 0, "Ki-67"))
    slides = {split: {p.name[:4] for p in made if p.split == split} for split in ("train", "val")}
    assert len(slides["val"]) == 2
    assert not slides["train"] & slides["val"]


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
    "words", ["--marker CD3", "--size 10", "--mpp 9", "--pairs 1 --pair-size 100"]
)
def test_wrong_words_are_said(
    tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["phantom", str(tmp_path / "out"), *words.split()]) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0
