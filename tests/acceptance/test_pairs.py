"""``virtual-ihc pairs`` from two registered files to a folder that training reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.registration.mapping import Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.store import save
from napari_virtual_ihc.slides.open import open_slide

if TYPE_CHECKING:
    from pathlib import Path

SIDE, SHIFTED, PAIR, MPP = 512, 160, 40, 0.5
WANTED = ("--mpp", "0.5", "--marker", "Ki-67", "--size", str(PAIR))
SCALES = ("--mpp-he", "0.5", "--mpp-ihc", "0.5")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H&E and IHC of one section, the IHC moved by 50 µm on the left; the identity as their map."""
    folder = tmp_path_factory.mktemp("pair")
    he, ihc = drawn()
    ihc[:, :SHIFTED] = np.roll(ihc, 100, axis=0)[:, :SHIFTED]
    blank = np.full_like(he, 242)
    blank[::2] = 241
    for name, pixels in (("he", he), ("ihc", ihc), ("blank", blank)):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    for name in ("ihc", "blank"):
        register(folder / "he.png", folder / f"{name}.png", folder / f"{name}-map")
    return folder


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Nuclei on a pink and on a bluish ground, a third of them brown on the latter."""
    draw = np.random.default_rng(0)
    seats = np.zeros((2, SIDE, SIDE))
    places = draw.integers(0, SIDE, (900, 2))
    seats[0, places[:, 0], places[:, 1]] = 1
    seats[1, places[:300, 0], places[:300, 1]] = 1
    discs = (ndimage.gaussian_filter(seats, (0, 3, 3)) > 0.006).astype(float)
    nuclei, brown = ndimage.gaussian_filter(discs, (0, 0.7, 0.7))[..., None]
    he = 0.04 + 0.3 * np.array([0.1, 0.5, 0.2]) + nuclei * np.array([0.6, 0.65, 0.3])
    ihc = np.array([0.09, 0.07, 0.05]) + nuclei * np.array([0.4, 0.4, 0.2])
    ihc = ihc + brown * np.array([0.3, 0.55, 0.8])
    light = [242 * 10.0**-density + draw.normal(0, 2, density.shape) for density in (he, ihc)]
    first, second = (np.clip(one, 0, 255).astype(np.uint8) for one in light)
    return first, second


def register(he: Path, ihc: Path, out: Path) -> None:
    sections = [Section.of(open_slide(path, MPP)) for path in (he, ihc)]
    save(Registration(Mapping(np.eye(2, 3)), *sections), out)


def cut(files: Path, out: Path, *more: str, ihc: str = "ihc") -> int:
    slides = [str(files / name) for name in ("he.png", f"{ihc}.png", f"{ihc}-map")]
    return run(["pairs", *slides, str(out), *WANTED, *SCALES, "--json", *more])


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def places(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Column and row of every picture by folder."""
    return {
        side.name: sorted(
            (int(x), int(y)) for _, x, y in (file.stem.split("_") for file in side.iterdir())
        )
        for side in folder.iterdir()
        if side.is_dir()
    }


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_only_comparable_squares_are_cut_and_training_reads_them(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cut(files, out) == 0
    found = told(capsys)
    assert json.loads(next(out.glob("*.json")).read_text("utf-8")) == found
    seen = places(out)
    assert seen["trainA"] == seen["trainB"]
    assert seen["valA"] == seen["valB"]
    assert found["pairs"] == {"train": len(seen["trainA"]), "val": len(seen["valA"])}
    assert min(x for x, _ in seen["trainA"] + seen["valA"]) * PAIR > SHIFTED - 80
    assert found["dropped"]["shifted"] > 20
    assert sum(found["dropped"].values()) + sum(found["pairs"].values()) == found["squares"]
    x, y = seen["trainA"][0]
    where = np.s_[y * PAIR : (y + 1) * PAIR, x * PAIR : (x + 1) * PAIR]
    for side, whole in (("A", "he"), ("B", "ihc")):
        file = next((out / f"train{side}").glob(f"*_{x}_{y}.png"))
        assert np.array_equal(pixels_of(file), pixels_of(files / f"{whole}.png")[where])
    assert run(["data", str(out), "--mpp", "0.5", "--marker", "Ki-67", "--json"]) == 0
    checked = told(capsys)
    assert checked["layout"] == "trainA/trainB"
    assert checked["pairs"]["train"] == found["pairs"]["train"]


def test_no_square_that_is_trained_on_touches_a_held_out_one(files: Path, tmp_path: Path) -> None:
    assert cut(files, tmp_path / "out") == 0
    seen = places(tmp_path / "out")
    train, held = (np.array(seen[side]) for side in ("trainA", "valA"))
    apart = np.abs(train[:, None] - held[None]).max(axis=-1)
    assert apart.min() == 2


def test_a_stopped_call_goes_on_and_ends_the_same(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cut(files, out) == 0
    first = told(capsys)
    kept, lost = sorted((out / "trainB").iterdir())[:2]
    stamp = kept.stat().st_mtime_ns
    lost.unlink()
    record = next(out.glob("*.json"))
    record.write_text(record.read_text("utf-8").replace('"finished": true', '"finished": false'))
    assert cut(files, out) == 0
    assert told(capsys) == first
    assert (lost.exists(), kept.stat().st_mtime_ns) == (True, stamp)
    assert cut(files, out, "--comparable", "0.5") == 1
    assert "another least comparable" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ihc", "more", "words"),
    [
        ("blank", (), "missing tissue"),
        ("ihc", ("--size", "600"), "no whole square of 300 µm"),
        ("ihc", ("--mpp", "0.25"), "finer than the slides"),
        ("ihc", ("--mpp-he", "0.6"), "was registered at 0.5 µm/px"),
    ],
)
def test_what_gives_no_pairs_is_one_sentence_and_nothing_is_written(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    ihc: str, more: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    assert cut(files, out, *more, ihc=ihc) == 1
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said
    assert not out.exists()


@pytest.mark.slow
def test_two_steps_are_trained_on_them(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cut(files, out) == 0
    capsys.readouterr()
    tiny = ("ngf=4", "ndf=4", "n_blocks=1", "crop_size=36", "batch_size=1")
    switches = [word for one in tiny for word in ("--set", one)]
    words = ["train", "--method", "cyclegan", "--preset", "smoke", "--steps", "2"]
    words += ["--data", str(out), "--out", str(tmp_path / "run"), "--mpp", "0.5"]
    assert run([*words, "--marker", "Ki-67", "--device", "cpu", "--json", *switches]) == 0
    assert told(capsys)["state"] == "finished"
