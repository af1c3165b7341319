"""Training pairs cut from phantoms, and what is true of the held-out ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.errors import DataError, ExportError, UsageError
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.pair_truth import read_squares, window_truth
from napari_virtual_ihc.slides.phantom.pairs import PairPlan, places_on, write_pairs
from napari_virtual_ihc.slides.phantom.windows import choose_windows
from napari_virtual_ihc.training.data import PairFolder, load

if TYPE_CHECKING:
    from pathlib import Path

PLAN = PairPlan(6, 256, 3, "Ki-67")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("pairs")
    assert write_pairs(place, PLAN, truth=True) == {"train": 5, "val": 1}
    return place


def pictures(folder: Path, name: str, split: str) -> list[str]:
    return sorted(file.name for file in (folder / name / split).iterdir())


def test_pairs_show_their_place_on_their_slide(folder: Path) -> None:
    for split in ("train", "val"):
        names = pictures(folder, "HE", split)
        assert names == pictures(folder, "Ki-67", split)
        seed, x, y = (int(n) for n in names[0].removeprefix("phantom")[:-4].split("_"))
        made = Phantom(seed, 6144, 6144)
        for side, slide in (("HE", made.he()), ("Ki-67", made.ihc())):
            on_disk = np.asarray(Image.open(folder / side / split / names[0]))
            np.testing.assert_array_equal(on_disk, slide.source.read(0, y, x, 256, 256)[0])


def test_training_takes_the_folder_as_it_is(
    folder: Path,
) -> None:
    data = PairFolder.open(folder, mpp=0.5, marker="Ki-67", crop=256)
    assert data.findings == ()
    assert (len(data.train), len(data.validation)) == (5, 1)
    assert data.summary()["slides"] == {"train": 4, "validation": 1}
    assert load(data.train[0])[1].shape == (256, 256, 3)


def test_a_stopped_call_goes_on_and_other_pairs_are_refused(folder: Path) -> None:
    file = folder / "Ki-67" / "train" / pictures(folder, "Ki-67", "train")[0]
    content = file.read_bytes()
    other = file.with_name(pictures(folder, "Ki-67", "train")[1])
    before = other.stat().st_mtime_ns
    file.unlink()
    told: list[tuple[int, int]] = []
    write_pairs(folder, PLAN, truth=True, report=lambda *done: told.append(done))
    assert file.read_bytes() == content
    assert other.stat().st_mtime_ns == before
    assert told == [(done, 6) for done in range(1, 7)]
    for changes in ({"seed": 4}, {"count": 7}, {"size": 128}, {"marker": "ER"}):
        with pytest.raises(ExportError, match="holds other pairs"):
            write_pairs(folder, replace(PLAN, **changes))
    facts = json.loads((folder / "pairs.json").read_text())
    assert facts["um_per_px"] == 0.5
    assert facts["pairs"] == {"train": 5, "val": 1}


@given(st.integers(1, 400), st.integers(0, 1000))
def test_no_slide_is_on_both_sides(count: int, seed: int) -> None:
    slides = list(PairPlan(count, 256, seed, "Ki-67").slides())
    assert sum(pairs for _, _, pairs in slides) == count
    assert all(0 < pairs <= 16 for _, _, pairs in slides)
    seeds = [phantom.seed for phantom, _, _ in slides]
    assert len(set(seeds)) == len(seeds)
    held = sum(pairs for _, split, pairs in slides if split == "val")
    assert count < 2 or 0 < held <= max(1, count / 2)
    other = PairPlan(count, 256, seed + 1, "Ki-67").slides()
    assert not set(seeds) & {phantom.seed for phantom, _, _ in other}


@pytest.mark.parametrize("size", [64, 200, 384])
def test_places_do_not_overlap_and_most_show_tumour(phantom: Phantom, size: int) -> None:
    places = list(places_on(phantom, 6, size))[:6]
    assert len(places) == 6
    corners = [(place.y, place.x) for place in places]
    for index, (y, x) in enumerate(corners):
        assert all(abs(y - b) >= size or abs(x - a) >= size for b, a in corners[:index])
        assert min(y, x) >= 0
        assert max(y, x) + size <= 6144
    tumour = [phantom.tumour_mask(p.y, p.x, size, size).mean() for p in places]
    assert np.median(tumour) > 0.3


def test_windows_are_those_the_demo_model_learned_from() -> None:
    made = Phantom(100, 8192, 8192)
    windows = choose_windows(made, 14, 384, 0.75)
    assert windows[:3] == [(4224, 1152), (4992, 3072), (2688, 768)]
    assert len(set(windows)) == 14
    assert choose_windows(made, 10**6, 384, 0.0)[:2] != windows[:2]
    assert choose_windows(Phantom(1, 128, 128), 3, 384) == []


@pytest.mark.parametrize(
    "changes",
    [{"count": 0}, {"size": 63}, {"size": 2049}, {"marker": "CD3"}],
)
def test_plans_that_cannot_be_written_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(PLAN, **changes)


def test_truth_is_of_the_pair_beside_it(folder: Path) -> None:
    (file,) = (folder / "truth").iterdir()
    assert file.stem == pictures(folder, "HE", "val")[0][:-4]
    seed, x, y = (int(n) for n in file.stem.removeprefix("phantom").split("_"))
    made = window_truth(Phantom(seed, 6144, 6144), (y, x, 256, 256))
    with np.load(file) as arrays:
        assert set(arrays.files) == {"dab", "ideal", "hematoxylin", "tumour"}
        for name in arrays.files:
            np.testing.assert_array_equal(arrays[name], made[name])
        assert arrays["tumour"].shape == (256, 256)
        assert len(arrays["dab"]) == (arrays["tumour"].mean() >= 0.25)


def test_squares_of_all_windows_are_pooled(tmp_path: Path, phantom: Phantom) -> None:
    windows = [(y, x, 512, 512) for y, x in choose_windows(phantom, 3, 512, 1.0)]
    for number, window in enumerate(windows):
        np.savez(tmp_path / f"{number}.npz", **window_truth(phantom, window))
    pooled, direct = read_squares(tmp_path), phantom.squares(windows)
    np.testing.assert_array_equal(pooled.dab, direct.dab)
    assert pooled.ceiling() == direct.ceiling() > pooled.baseline()
    told = pooled.told()
    assert told is not None
    assert told["squares"] == len(direct.dab)
    with pytest.raises(DataError, match="holds no truth"):
        read_squares(tmp_path / "nowhere")


def test_the_command_writes_pairs_and_says_the_ceiling(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"phantom {tmp_path} --pairs 2 --pair-size 256 --marker HER2 --truth --json"
    assert run(words.split()) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["train"], said["val"], said["marker"]) == (1, 1, "HER2")
    assert said["truth"] is None
    assert pictures(tmp_path, "HER2", "val") == pictures(tmp_path, "HE", "val")
