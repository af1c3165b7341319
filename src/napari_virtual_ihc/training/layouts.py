"""Where pairs lie on disk: the layouts of published data sets, told apart by their folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_virtual_ihc.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff"})
Split = Literal["train", "validation"]
_NESTS = ("", "TrainValAB")


@dataclass(frozen=True)
class Side:
    """The two folders that hold one split.

    Attributes
    ----------
    split
        Which split; None where the layout has none of its own.
    he, ihc
        Folders of H&E and IHC pictures, paired by stem.
    """

    split: Split | None
    he: Path
    ihc: Path


@dataclass(frozen=True)
class Layout:
    """A recognised layout and its folders."""

    name: str
    sides: tuple[Side, ...]


def detect(root: Path, marker: str) -> Layout:
    """Recognise the layout of the data folder ``root``.

    Known are MIST and ASP (``[MARKER/][TrainValAB/]trainA, trainB, valA, valB``), BCI
    (``HE/train, HE/test, IHC/train, IHC/test``) and two folders, ``HE`` and one named after the
    marker or ``IHC``.

    Raises
    ------
    DataError
        If the folder is missing or holds none of them.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder of training pairs.")
    found = _train_val_ab(root, marker) or _bci(root) or _two_folders(root, marker)
    if found is None:
        raise DataError(
            f"{root} holds neither trainA and trainB, nor HE/train and IHC/train, "
            f"nor HE and {marker} (or IHC)."
        )
    return found


def _train_val_ab(root: Path, marker: str) -> Layout | None:
    for nest in (root / outer / inner for outer in ("", marker) for inner in _NESTS):
        train = Side("train", nest / "trainA", nest / "trainB")
        if not train.he.is_dir() or not train.ihc.is_dir():
            continue
        held_out = [
            Side("validation", nest / f"{word}A", nest / f"{word}B") for word in ("val", "test")
        ]
        present = [side for side in held_out if side.he.is_dir() and side.ihc.is_dir()]
        return Layout("trainA/trainB", (train, *present[:1]))
    return None


def _bci(root: Path) -> Layout | None:
    train = Side("train", root / "HE" / "train", root / "IHC" / "train")
    test = Side("validation", root / "HE" / "test", root / "IHC" / "test")
    if not train.he.is_dir() or not train.ihc.is_dir():
        return None
    sides = (train, test) if test.he.is_dir() and test.ihc.is_dir() else (train,)
    return Layout("BCI", sides)


def _two_folders(root: Path, marker: str) -> Layout | None:
    he = _folder_named(root, ["HE", "H&E"])
    ihc = _folder_named(root, [marker, "IHC"])
    return Layout("two folders", (Side(None, he, ihc),)) if he and ihc else None


def _folder_named(root: Path, names: Iterable[str]) -> Path | None:
    """Return the first folder of ``root`` with one of ``names``, letter case and dashes aside."""
    there = {_plain(path.name): path for path in root.iterdir() if path.is_dir()}
    return next((there[_plain(name)] for name in names if _plain(name) in there), None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def pictures(folder: Path) -> dict[str, Path]:
    """Return the pictures below ``folder`` by their path without suffix, sorted."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def slide_of(stem: str) -> str | None:
    """Return the slide a picture comes from where its name tells it (MIST), else None.

    MIST names are ``<slide>_<column>_<row>``, so that neighbours on a slide share the first part.
    """
    *slide, column, row = stem.rsplit("/", 1)[-1].split("_") if stem.count("_") >= 2 else ("", "")
    return "_".join(slide) if slide and slide[0] and (column + row).isdigit() else None
