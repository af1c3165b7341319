from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.training.data import PairFolder, load
from napari_virtual_ihc.training.layouts import detect, pictures, slide_of

if TYPE_CHECKING:
    from pathlib import Path


def opened(root: Path, marker: str = "Ki-67") -> PairFolder:
    return PairFolder.open(root, mpp=0.5, marker=marker, crop=32)


@pytest.mark.parametrize(
    ("he", "ihc", "name"),
    [
        ("trainA", "trainB", "trainA/trainB"),
        ("TrainValAB/trainA", "TrainValAB/trainB", "trainA/trainB"),
        ("Ki-67/TrainValAB/trainA", "Ki-67/TrainValAB/trainB", "trainA/trainB"),
        ("MIST/ki67/trainA", "MIST/ki67/trainB", "trainA/trainB"),
        ("HE/train", "IHC/train", "HE/train, IHC/train"),
        ("BCI_dataset/HE/train", "BCI_dataset/IHC/train", "HE/train, IHC/train"),
        ("HE/train", "Ki67/train", "HE/train, IHC/train"),
        ("A/train", "B/train", "A/train, B/train"),
        ("train_HE", "train_IHC", "TDKStain"),
        ("train/HE", "train/IHC", "train/HE, train/IHC"),
        ("HE", "ki67", "two folders"),
        ("HE", "IHC", "two folders"),
        ("h&e", "KI-67", "two folders"),
    ],
)
@pytest.mark.parametrize("outer", ["", "trainA/valB/HE/IHC/train"])
def test_layouts_are_told_apart_wherever_they_lie(
    tmp_path: Path, he: str, ihc: str, name: str, outer: str
) -> None:
    root = tmp_path / outer
    for folder in (he, ihc):
        (root / folder).mkdir(parents=True)
    layout = detect(root, "Ki-67")
    assert layout.name == name
    assert layout.sides[0].he == root / he
    assert layout.sides[0].ihc == root / ihc


@pytest.mark.parametrize(
    ("he", "ihc"),
    [
        ("{}A", "{}B"),
        ("TrainValAB/{}A", "TrainValAB/{}B"),
        ("HE/{}", "IHC/{}"),
        ("A/{}", "B/{}"),
        ("{}_HE", "{}_IHC"),
        ("{}/HE", "{}/IHC"),
    ],
)
@pytest.mark.parametrize("word", ["val", "test"])
def test_a_layouts_own_split_is_kept(
    tmp_path: Path, pairs: Path, he: str, ihc: str, word: str
) -> None:
    root = tmp_path / "set"
    for split, stems in (("train", "012"), (word, "34")):
        for form, folder in ((he, "HE"), (ihc, "IHC")):
            place = root / form.format(split)
            place.mkdir(parents=True)
            for stem in stems:
                shutil.copy(pairs / folder / f"tile{stem}.png", place)
    data = opened(root)
    assert [pair.name for pair in data.train] == ["tile0", "tile1", "tile2"]
    assert [pair.name for pair in data.validation] == ["tile3", "tile4"]
    assert data.findings == ()


def test_masks_beside_the_ihc_are_not_taken_for_it(tmp_path: Path) -> None:
    for name in ("train_HE", "train_IHC_dab", "train_IHC_dab_mask", "train_IHC", "test_HE"):
        (tmp_path / name).mkdir()
    (side,) = detect(tmp_path, "HER2").sides
    assert side.ihc.name == "train_IHC"


def test_val_comes_before_test(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for side in "AB":
            (tmp_path / f"{split}{side}").mkdir()
    assert [side.he.name for side in detect(tmp_path, "ER").sides] == ["trainA", "valA"]


def side_by_side(pairs: Path, root: Path, splits: dict[str, str]) -> None:
    for split, stems in splits.items():
        (root / split).mkdir(parents=True)
        for stem in stems:
            both = [np.asarray(Image.open(pairs / f / f"tile{stem}.png")) for f in ("HE", "IHC")]
            Image.fromarray(np.concatenate(both, axis=1)).save(root / split / f"tile{stem}.png")


def test_side_by_side_pictures_are_halved(tmp_path: Path, pairs: Path) -> None:
    root = tmp_path / "pix2pix"
    side_by_side(pairs, root, {"train": "012", "test": "34"})
    data = opened(root)
    assert (data.layout, len(data.train), len(data.validation)) == ("side by side", 3, 2)
    for pair in (*data.train, *data.validation):
        he, ihc = load(pair)
        for pixels, folder in ((he, "HE"), (ihc, "IHC")):
            with Image.open(pairs / folder / f"{pair.name}.png") as image:
                np.testing.assert_array_equal(pixels, np.asarray(image))
        assert pair.he.size() == he.shape[:2]
        assert load(pair, 48)[1].shape == (48, 48, 3)
    assert data.findings == ()


def test_single_pictures_are_not_halved(tmp_path: Path, pairs: Path) -> None:
    (tmp_path / "single").mkdir()
    shutil.copytree(pairs / "HE", tmp_path / "single" / "train")
    with pytest.raises(DataError, match="no known layout"):
        detect(tmp_path / "single", "Ki-67")


@pytest.mark.parametrize("marker", ["ER", "", "..", "a/b", "HE"])
def test_a_folder_without_layout_is_refused(tmp_path: Path, marker: str) -> None:
    (tmp_path / "HE").mkdir()
    with pytest.raises(DataError, match=r"no known layout.*trainA and trainB"):
        detect(tmp_path, marker)
    with pytest.raises(DataError, match="not a folder"):
        detect(tmp_path / "nowhere", marker)


def test_all_suffixes_are_found_recursively(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.tiff", "sub/c.png", "d.gif", "._a.jpg", "a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = pictures(tmp_path)
    assert list(found) == ["a", "b", "sub/c"]
    assert [file.name for file in found["a"]] == ["a.JPG", "a.png"]


@pytest.mark.parametrize(
    ("stem", "slide"),
    [
        ("100M2004069_19_30", "100M2004069"),
        ("phantom30023_512_7680", "phantom30023"),
        ("sub/ab_c_3_4", "ab_c"),
        ("00000_train_1+", None),
        ("tile3", None),
        ("_1_2", None),
    ],
)
def test_slides_are_read_from_names(stem: str, slide: str | None) -> None:
    assert slide_of(stem) == slide


@pytest.mark.parametrize(
    ("marker", "endings"),
    [
        ("HER2", ("_HE", "_IHC-HER2")),
        ("unknown", ("_HE", "_IHC-HER2")),
        ("Ki-67", ("_h&e", "_Ki67")),
        ("ER", ("_HE", "_IHC")),
    ],
)
def test_one_folder_is_told_apart_by_how_names_end(
    tmp_path: Path, pairs: Path, marker: str, endings: tuple[str, str]
) -> None:
    for ending, folder in zip(endings, ("HE", "IHC"), strict=True):
        for stem in ("tile0", "tile1", "tile2"):
            (tmp_path / "set").mkdir(exist_ok=True)
            shutil.copy(pairs / folder / f"{stem}.png", tmp_path / f"set/7_{stem}{ending}.png")
    shutil.copy(pairs / "IHC/tile0.png", tmp_path / "set/7_tile0_virtualHER2.png")
    shutil.copy(pairs / "HE/tile3.png", tmp_path / f"set/7_tile3{endings[0]}.png")
    layout = detect(tmp_path / "set", marker)
    assert layout.sides[0].endings == endings
    data = opened(tmp_path / "set", marker)
    assert sorted(p.name for p in (*data.train, *data.validation)) == [
        "7_tile0",
        "7_tile1",
        "7_tile2",
    ]
    assert {finding.kind for finding in data.findings} >= {"unpaired"}
    he, ihc = load(data.train[0], None)
    assert not np.array_equal(he, ihc)


def test_endings_keep_a_split_and_refuse_what_they_do_not_tell(tmp_path: Path, pairs: Path) -> None:
    for split, stem in (("train", "tile0"), ("train", "tile1"), ("val", "tile2")):
        for ending, folder in (("_HE", "HE"), ("_IHC", "IHC")):
            place = tmp_path / split
            place.mkdir(exist_ok=True)
            shutil.copy(pairs / folder / f"{stem}.png", place / f"{stem}{ending}.png")
    data = opened(tmp_path)
    assert [pair.name for pair in data.validation] == ["tile2"]
    for file in (tmp_path / "train").glob("*_IHC.png"):
        file.rename(file.with_name(file.name.replace("_IHC", "_PR")))
    with pytest.raises(DataError, match="no known layout"):
        detect(tmp_path, "ER")
