"""``virtual-ihc compare`` from two files to CSV, JSON and the report."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 600
SIDE_PX = 512
SCALE = ("--mpp-virtual", "0.5", "--mpp-real", "0.5")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The IHC of a phantom, and the same with most of it shifted by 60 µm."""
    folder = tmp_path_factory.mktemp("pair")
    phantom = Phantom(3, 6144, 6144)
    row, column = tumour_blocks(phantom)[0]
    window = (0, row * 512, column * 512, SIDE, SIDE)
    real = phantom.ihc().source.read(*window)[0]
    Image.fromarray(phantom.he().source.read(*window)[0]).save(folder / "he.png")
    virtual = real.copy()
    virtual[:, 240:] = np.roll(real, 120, axis=0)[:, 240:]
    paths = folder / "virtual.png", folder / "real.png"
    for path, pixels in zip(paths, (virtual, real), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def told(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], out: Path, *more: str
) -> dict:
    words = [str(path) for path in files]
    assert run(["compare", *words, "--out", str(out), *SCALE, "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def statistics(found: dict, measure: str, side: float) -> dict:
    return next(
        one["statistics"]
        for one in found["agreement"]
        if (one["measure"], one["square_um"]) == (measure, side)
    )


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_what_is_comparable_agrees(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, files, tmp_path / "out")
    everywhere = told(capsys, files, tmp_path / "all", "--no-gate", "--cells", "none")
    assert 0.4 < found["comparable_share"] < 0.75
    assert everywhere["comparable_share"] == pytest.approx(found["comparable_share"], abs=0.03)
    assert everywhere["provenance"]["comparable_by"] == "virtual and real IHC"
    assert "Not gated: all tissue of both slides was measured" in (
        tmp_path / "all" / "report.html"
    ).read_text("utf-8")
    gated, whole = (statistics(one, "dab_area", 50.0) for one in (found, everywhere))
    assert gated["icc"]["value"] > whole["icc"]["value"] + 0.1
    assert gated["dice"]["value"] > whole["dice"]["value"]
    assert gated["pearson"]["n"] < whole["pearson"]["n"]
    assert "positive_nuclei" in found["region"]
    assert found["region"]["positive_nuclei"]["real"] == pytest.approx(
        found["region"]["positive_nuclei"]["virtual"], abs=5
    )
    assert "vectors" in found["protocol"]
    _check_files(tmp_path / "out", found)


def test_the_he_can_judge_what_is_comparable(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    he = str(files[0].parent / "he.png")
    part = ("--region", "0,0,150,300", "--cells", "none", "--he", he, "--mpp-he", "0.5")
    found = told(capsys, files, tmp_path / "out", *part)
    assert found["provenance"]["comparable_by"] == "H&E and real IHC"
    assert found["comparable_share"] > 0.8


def test_people_get_numbers_with_units(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", *map(str, files), "--out", str(tmp_path), *SCALE, "--no-gate"]
    assert run([*words, "--cells", "none", "--region", "0,0,150,150"]) == 0
    printed = capsys.readouterr()
    assert "does not say which model made it" in printed.err
    lines = {line.split("  ")[0]: line for line in printed.out.splitlines()}
    assert "Not gated" in lines["measured"]
    unwrapped = " ".join(printed.out.split())
    assert re.search(r"DAB area, % virtual [\d.]+ \(n = [\d.]+ mm²\)", unwrapped)
    assert "does not say which model made it" in lines["Virtual IHC"]


def test_the_he_needs_a_scale_of_its_own(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    he = str(files[0].parent / "he.png")
    words = ["compare", *map(str, files), "--out", str(tmp_path / "o"), *SCALE, "--he", he]
    assert run(words) == 1
    assert "he.png does not state its scale; give --mpp-he" in capsys.readouterr().err


def _check_files(out: Path, found: dict) -> None:
    assert json.loads((out / "comparison.json").read_text("utf-8")) == found
    lines = (out / "agreement.csv").read_text("utf-8").splitlines()
    assert "Research use only" in lines[0]
    rows = list(csv.DictReader(lines[1:]))
    assert {row["statistic"] for row in rows} >= {"pearson", "spearman", "icc", "bias", "dice"}
    assert all("of tissue with a virtual stain is comparable" in row["protocol"] for row in rows)
    squares = list(csv.DictReader((out / "squares.csv").read_text("utf-8").splitlines()[1:]))
    area = [row for row in squares if (row["measure"], row["square_um"]) == ("dab_area", "50")]
    assert len(area) == statistics(found, "dab_area", 50.0)["pearson"]["n"]
    page = Text()
    page.feed((out / "report.html").read_text("utf-8"))
    text = " ".join(page.words)
    assert page.links
    assert all(link.startswith("data:image/png") for link in page.links)
    assert text.count("Research use only") >= 2
    assert found["provenance"]["real"] in text
    assert "virtual.png" not in text
    assert "Bland–Altman" in text
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-1.4")
    assert np.asarray(Image.open(out / "region.png")).shape[1] == 3 * SIDE_PX + 16
    assert (out / "scatter.svg").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--mpp-real", "0.4"), "register the real one first"),
        (("--region", "0,0,20,20"), "no square of 50"),
    ],
)
def test_what_cannot_be_compared_is_said(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    names = [str(path) for path in files]
    assert run(["compare", *names, "--out", str(tmp_path / "o"), *SCALE, *more]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_what_a_model_made_is_not_real(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _exported(files[0], tmp_path / "virtual.ome.zarr")
    words = [str(made), str(files[1]), "--region", "0,0,100,100", "--cells", "none"]
    scale = ("--mpp-real", "0.5", "--json", "--out", str(tmp_path / "o"))
    assert run(["compare", words[1], words[0], *words[2:], *scale]) == 2
    assert "virtual.ome.zarr is a virtual IHC, made by model m" in capsys.readouterr().err
    he, out = str(files[0]), str(tmp_path / "out")
    for command in (
        ["register", he, str(made), out, "--mpp-fixed", "0.5"],
        ["pairs", he, str(made), he, out, "--mpp", "0.5", "--marker", "ER"],
    ):
        assert run(command) == 2
        assert "virtual.ome.zarr is a virtual IHC" in capsys.readouterr().err
    assert run(["compare", *words, *scale]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["provenance"]["virtual"]["model"]["name"] == "m"
    assert (told["provenance"]["marker"], told["provenance"]["notes"]) == ("ER", [])
    assert run(["compare", *words, *scale]) == 1
    assert "is not empty; give another folder" in capsys.readouterr().err


def _exported(picture: Path, out: Path) -> Path:
    """Write a picture as an export of a model."""
    pixels = np.asarray(Image.open(picture))
    facts = {"virtual": True, "model": {"name": "m", "marker": "ER", "weights": "f" * 64}}
    pyramid = OmeZarrPyramid.create(
        out, height=SIDE, width=SIDE, mpp=0.5, tile=SIDE, attributes=facts
    )
    pyramid.write_tile(0, 0, pixels)
    pyramid.build_levels()
    return out


def test_what_stops_it_and_what_is_missing_is_said(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    words = ["compare", *map(str, files), "--out", str(tmp_path / "o")]
    assert run([*words, "--mpp-virtual", "0.5"]) == 1
    assert "real.png does not state its scale; give --mpp-real" in capsys.readouterr().err
    assert run([*words, *SCALE, "--mpp-real", "900"]) == 2
    assert "--mpp-real is µm/px" in capsys.readouterr().err

    def stop(*_: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_virtual_ihc.comparison.pairing.score_pair", stop)
    assert run([*words, *SCALE]) == 1
    assert "the same command begins anew" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_wrong_words_are_wrong_use(files: tuple[Path, Path], tmp_path: Path) -> None:
    names = [str(path) for path in files]
    assert run(["compare", *names, "--out", str(tmp_path), *SCALE, "--cells", "all"]) == 2
    coarse = ("--mpp-virtual", "2", "--mpp-real", "2", "--cells", "nuclei")
    assert run(["compare", *names, "--out", str(tmp_path), *coarse]) == 2
