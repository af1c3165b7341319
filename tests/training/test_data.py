from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.layouts import detect, pictures, slide_of

if TYPE_CHECKING:
    from pathlib import Path


def opened(root: Path, crop: int = 32) -> PairFolder:
    return PairFolder.open(root, mpp=0.5, marker="Ki-67", crop=crop)


def kinds(data: PairFolder) -> dict[str, str]:
    return {finding.name: finding.kind for finding in data.findings}


@pytest.mark.parametrize(
    ("he", "ihc", "name"),
    [
        ("trainA", "trainB", "trainA/trainB"),
        ("TrainValAB/trainA", "TrainValAB/trainB", "trainA/trainB"),
        ("Ki-67/TrainValAB/trainA", "Ki-67/TrainValAB/trainB", "trainA/trainB"),
        ("HE/train", "IHC/train", "BCI"),
        ("HE", "ki67", "two folders"),
        ("HE", "IHC", "two folders"),
        ("h&e", "KI-67", "two folders"),
    ],
)
def test_layouts_are_told_apart(tmp_path: Path, he: str, ihc: str, name: str) -> None:
    for folder in (he, ihc):
        (tmp_path / folder).mkdir(parents=True)
    layout = detect(tmp_path, "Ki-67")
    assert layout.name == name
    assert layout.sides[0].he == tmp_path / he
    assert layout.sides[0].ihc == tmp_path / ihc


def test_a_data_root_may_itself_be_named_train_a(tmp_path: Path, pairs: Path) -> None:
    root = tmp_path / "trainA" / "set"
    shutil.copytree(pairs, root)
    assert len(opened(root).train) == 4


def test_a_folder_without_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither trainA and trainB"):
        detect(tmp_path, "ER")
    with pytest.raises(DataError, match="not a folder"):
        detect(tmp_path / "nowhere", "ER")


def test_own_split_is_kept(tmp_path: Path, pairs: Path) -> None:
    root = tmp_path / "mist"
    for split, stems in (("train", "012"), ("val", "34")):
        for side, folder in (("A", "HE"), ("B", "IHC")):
            (root / f"{split}{side}").mkdir(parents=True)
            for stem in stems:
                shutil.copy(pairs / folder / f"tile{stem}.png", root / f"{split}{side}")
    data = opened(root)
    assert [pair.name for pair in data.validation] == ["tile3", "tile4"]
    assert data.findings == ()


def test_bad_pictures_are_listed_and_left_out(pairs: Path) -> None:
    (pairs / "IHC" / "tile0.png").unlink()
    (pairs / "HE" / "tile1.png").write_bytes(b"not a picture")
    Image.fromarray(np.zeros((40, 96, 3), np.uint8)).save(pairs / "IHC" / "tile2.png")
    glass = Image.fromarray(np.full((96, 96, 3), 242, np.uint8))
    glass.save(pairs / "HE" / "tile3.png")
    (pairs / "HE" / "notes.txt").write_text("not a picture, not looked at")
    data = opened(pairs)
    assert kinds(data) | {"validation": "split"} == {
        "tile0": "unpaired",
        "tile1": "unreadable",
        "tile2": "size",
        "tile3": "blank",
        "validation": "split",
    }
    assert {p.name for p in (*data.train, *data.validation)} == {"tile4"}


def test_truncated_picture_is_unreadable(pairs: Path) -> None:
    file = pairs / "HE" / "tile1.png"
    file.write_bytes(file.read_bytes()[:2000])
    assert kinds(opened(pairs))["tile1"] == "unreadable"


def test_nothing_left_is_one_sentence(pairs: Path) -> None:
    with pytest.raises(DataError, match=r"no usable training pair.*smaller than a crop of 512 px"):
        opened(pairs, crop=512)


def test_a_slide_is_never_on_both_sides(tmp_path: Path, pairs: Path) -> None:
    root = tmp_path / "named"
    for folder in ("HE", "IHC"):
        (root / folder).mkdir(parents=True)
        for slide in range(5):
            for tile in range(3):
                target = root / folder / f"M{slide}_{tile}_0.png"
                shutil.copy(pairs / folder / f"tile{slide}.png", target)
    data = opened(root)
    sides = [{slide_of(p.name) for p in part} for part in (data.train, data.validation)]
    assert sides[0] & sides[1] == set()
    assert len(data.validation) == 3
    assert data.findings == ()


@pytest.mark.parametrize(
    ("stem", "slide"),
    [
        ("100M2004069_19_30", "100M2004069"),
        ("sub/ab_c_3_4", "ab_c"),
        ("00000_train_1+", None),
        ("tile3", None),
        ("_1_2", None),
    ],
)
def test_slides_are_read_from_names(stem: str, slide: str | None) -> None:
    assert slide_of(stem) == slide


def test_fingerprint_names_the_content(pairs: Path) -> None:
    before = opened(pairs).fingerprint
    assert opened(pairs).fingerprint == before
    with Image.open(pairs / "IHC" / "tile0.png") as image:
        picture = np.array(image)
    picture[0, 0] = 0
    Image.fromarray(picture).save(pairs / "IHC" / "tile0.png")
    assert opened(pairs).fingerprint != before


def test_all_suffixes_are_found_recursively(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.tiff", "sub/c.png", "d.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(pictures(tmp_path)) == ["a", "b", "sub/c"]
