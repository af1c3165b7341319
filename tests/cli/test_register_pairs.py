"""``virtual-ihc register --landmarks-fit``: pairs alone, where nothing else fits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.registration.landmark_files import write_landmarks
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


def test_pairs_meet_or_give_an_affine_map_as_they_are_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = np.array([[20.0, 30], [200, 40], [50, 210], [220, 190], [120, 110]])
    moved = places + 25 + np.array([[0, 0], [0, 0], [0, 0], [0, 0], [6, 0]])
    for name, points in (("he", places), ("ihc", moved)):
        Image.new("RGB", (256, 256), (240, 240, 240)).save(tmp_path / f"{name}.png")
        write_landmarks(tmp_path / f"{name}.csv", points)
    files = [str(tmp_path / f"{name}.csv") for name in ("he", "ihc")]
    away = {}
    for way in ("affine", "elastic"):
        words = ["register", *(str(tmp_path / name) for name in ("he.png", "ihc.png", way))]
        words += ["--mpp-fixed", "2", "--mpp-moving", "2", "--json", "--landmarks-fit", *files]
        assert run([*words, "--landmarks-way", way]) == 0
        found = load(tmp_path / way)
        away[way] = np.abs(found.to_moving(places * 2) - moved * 2).max()
        told = json.loads(capsys.readouterr().out)
        assert told["stages"][-1]["before"] is None
        assert any("Look at it before you trust it" in note for note in told["notes"])
    assert away["elastic"] < 0.1 < 5 < away["affine"]


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


@pytest.mark.parametrize(
    ("extra", "code", "why"),
    [
        (["--import", "m.json", "--import-order", "zz"], 2, "import-order"),
        (["--import-order", "xy"], 2, "--import-order belongs to --import, which is not given"),
        (["--import-unit", "mm"], 2, "--import-unit belongs to --import"),
        (["--landmarks-way", "affine"], 2, "--landmarks-way belongs to --landmarks-fit"),
        (["--mpp-moving", "-1"], 2, "--mpp-moving is µm/px"),
        ([], 1, "ihc.png does not state its scale; give it with --mpp-moving."),
    ],
)
def test_wrong_use_is_told_before_anything_is_read_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], code: int, why: str
) -> None:
    for name in ("he", "ihc"):
        Image.new("RGB", (64, 64), (240, 240, 240)).save(tmp_path / f"{name}.png")
    words = ["register", *(str(tmp_path / name) for name in ("he.png", "ihc.png", "fit"))]
    assert run([*words, "--mpp-fixed", "2", *extra]) == code
    assert why in capsys.readouterr().err
    assert not (tmp_path / "fit").exists()


def test_pairs_are_measured_by_number_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = np.array([[20.0, 30], [200, 40], [50, 210], [220, 190]])
    for name, shift in (("he", 0), ("ihc", 25)):
        Image.new("RGB", (256, 256), (240, 240, 240)).save(tmp_path / f"{name}.png")
        write_landmarks(tmp_path / f"{name}.csv", places + shift)
    gap = (tmp_path / "ihc.csv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "gap.csv").write_text("".join(gap[:2] + gap[3:]), "utf-8")
    (tmp_path / "m.json").write_text("[[1, 0, 50], [0, 1, 48]]", "utf-8")
    words = ["register", *(str(tmp_path / name) for name in ("he.png", "ihc.png", "fit"))]
    words += ["--mpp-fixed", "2", "--mpp-moving", "2", "--import", str(tmp_path / "m.json")]
    words += ["--landmarks", *(str(tmp_path / name) for name in ("he.csv", "gap.csv")), "--json"]
    assert run(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["count"] == 3
    assert told["tre_median_um"] == pytest.approx(2)
    diagonal = np.hypot(512, 512)
    assert told["rtre_median"] == pytest.approx(2 / diagonal)
    assert told["rtre_median_before"] == pytest.approx(np.hypot(50, 50) / diagonal)
    assert told["notes"][0].startswith("3 pairs are used, by their numbers, of 4 points in he.csv")
    assert run(words) == 1
    assert "fit holds a registration already" in capsys.readouterr().err
