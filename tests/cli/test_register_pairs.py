"""``virtual-ihc register --landmarks-fit``: pairs alone, where nothing else fits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.registration.landmarks import write_landmarks
from napari_virtual_ihc.registration.store import load

if TYPE_CHECKING:
    from pathlib import Path


def test_pairs_alone_give_the_map_where_no_fit_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = np.array([[20.0, 30], [200, 40], [50, 210], [220, 190]])
    for name, shift in (("he", 0), ("ihc", 25)):
        Image.new("RGB", (256, 256), (240, 240, 240)).save(tmp_path / f"{name}.png")
        write_landmarks(tmp_path / f"{name}.csv", places + shift)
    words = ["register", str(tmp_path / "he.png"), str(tmp_path / "ihc.png"), str(tmp_path / "fit")]
    words += ["--mpp-fixed", "2", "--mpp-moving", "2", "--json"]
    assert run(words) == 1
    assert "shows no tissue" in capsys.readouterr().err
    files = [str(tmp_path / f"{name}.csv") for name in ("he", "ihc")]
    assert run([*words, "--landmarks-fit", *files]) == 0
    printed = capsys.readouterr()
    assert "The pairs alone give the map." in printed.err
    told = json.loads(printed.out)
    assert told["accepted_stage"] == "landmarks"
    assert told["pairs"] == 4
    assert told["left_out_median_um"] == pytest.approx(0, abs=0.01)
    found = load(tmp_path / "fit")
    assert found.source == "landmarks"
    np.testing.assert_allclose(found.to_moving(np.array([100.0, 100.0])), [150, 150], atol=0.01)


def test_one_pair_alone_is_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("he", "ihc"):
        Image.new("RGB", (256, 256), (240, 240, 240)).save(tmp_path / f"{name}.png")
        write_landmarks(tmp_path / f"{name}.csv", np.array([[20.0, 30]]))
    slides, files = (
        [str(tmp_path / f"{one}.{end}") for one in ("he", "ihc")] for end in ("png", "csv")
    )
    words = ["register", *slides, str(tmp_path / "fit"), "--mpp-fixed", "2", "--mpp-moving", "2"]
    assert run([*words, "--landmarks-fit", *files]) == 1
    assert "mark 2 or more" in capsys.readouterr().err
    assert not (tmp_path / "fit").exists()
