"""The bundled diffusion as a user runs it: the same bytes again, other bytes by another seed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.slides.phantom import Phantom

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "he.tif"
    pixels = Phantom(7, 3072, 3072).he().region(400, 400, 160, 150, 1.0).pixels
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(64, 64), metadata=None)
    return path


def translated(slide: Path, out: Path, *more: str) -> np.ndarray:
    words = ["translate", str(slide), str(out), "--model", "demo-miu-diff", "--mpp", "1", "--steps"]
    assert run([*words, "2", "--device", "cpu", *more]) == 0
    return np.asarray(zarr.open_group(str(out), mode="r")["0"])


def test_a_diffusion_gives_the_same_bytes_again_and_others_by_another_seed(
    slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = translated(slide, tmp_path / "a.ome.zarr")
    assert (first == translated(slide, tmp_path / "b.ome.zarr")).all()
    assert (first != translated(slide, tmp_path / "c.ome.zarr", "--seed", "1")).any()
    capsys.readouterr()
    words = ["verify", str(tmp_path / "c.ome.zarr"), "--slide", str(slide), "--model"]
    assert run([*words, "demo-miu-diff", "--tiles", "1", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["agrees"]
    words = ["translate", str(slide), str(tmp_path / "c.ome.zarr"), "--model", "demo-miu-diff"]
    assert run([*words, "--mpp", "1", "--steps", "2", "--device", "cpu", "--seed", "7"]) == 1
    assert "seed 1 instead of 7)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--steps", "0"], "steps"),
        (["--steps", "301"], "'steps' is 301, more than the 300 of 'start'"),
        (["--sampler", "magic"], "Unknown sampler 'magic'"),
        (["--sampler", "egsde", "--steps", "501"], "steps"),
        (["--seed", "99999999999999999999999"], "A seed is a number"),
        (["--statistics", "none"], "Unknown statistics 'none'"),
        (["--steps", "2", "--region", "5000,300,100,100"], "region"),
        (["--model", "demo", "--steps", "5"], "'demo' is no diffusion"),
    ],
)
def test_what_a_diffusion_cannot_do_is_one_sentence(
    slide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str
) -> None:
    words = ["translate", str(slide), str(tmp_path / "o.ome.zarr"), "--model", "demo-miu-diff"]
    assert run([*words, "--mpp", "1", *more]) in (1, 2)
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert not (tmp_path / "o.ome.zarr").exists()
