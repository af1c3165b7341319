"""Where pairs lie on disk: the layouts of published data sets, told apart by their folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.training.pictures import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff"})
SIDE_BY_SIDE = "side by side"
ENDINGS = "one folder, *_HE and *_IHC"
Split = Literal["train", "validation"]
_NEST = "TrainValAB"
_DEEPEST = 3
_HELD_OUT = ("val", "valid", "validation", "test")
_FORMS = (
    ("trainA/trainB", "{split}A", "{split}B"),
    ("HE/train, IHC/train", "{he}/{split}", "{ihc}/{split}"),
    ("A/train, B/train", "A/{split}", "B/{split}"),
    ("TDKStain", "{split}_{he}", "{split}_{ihc}"),
    ("train/HE, train/IHC", "{split}/{he}", "{split}/{ihc}"),
    ("two folders", "{he}", "{ihc}"),
)
"""Name, place of H&E and place of IHC, below the data folder."""


@dataclass(frozen=True)
class Side:
    """The two folders that hold one split.

    Attributes
    ----------
    split
        Which split; None where the layout has none of its own.
    he, ihc
        Folders of H&E and IHC pictures, paired by stem; one folder where both are side by side
        in one picture.
    endings
        What stems end with, H&E and IHC, where one folder holds both as files of their own.
    """

    split: Split | None
    he: Path
    ihc: Path
    endings: tuple[str, str] = ("", "")

    @property
    def side_by_side(self) -> bool:
        """Whether the left half of each picture is H&E, and the right one its IHC."""
        return self.he == self.ihc and not any(self.endings)


@dataclass(frozen=True)
class Layout:
    """A recognised layout and its folders."""

    name: str
    sides: tuple[Side, ...]


def detect(root: Path, marker: str) -> Layout:
    """Recognise the layout of the data folder ``root``.

    Known are MIST and ASP (``trainA, trainB``, with ``valA, valB`` or ``testA, testB``), BCI
    (``HE/train, IHC/train`` with ``test``), ``A/train, B/train``, TDKStain (``train_HE,
    train_IHC``), pix2pix (``train/NAME.png``, H&E left, IHC right), two folders, ``HE`` and one
    named after the marker or ``IHC``, and one folder with ``NAME_HE.png`` and ``NAME_IHC.png``
    (or ``NAME_MARKER``, ``NAME_IHC-MARKER``), whole or in ``train`` and ``val``. They may lie in
    a folder named after the marker, in ``TrainValAB``, or in the only folder there is. Letter case
    and dashes do not matter, and only names below ``root`` are looked at.

    Raises
    ------
    DataError
        If the folder is missing or holds none of them.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder of training pairs.")
    found = _below(root, marker.replace("/", "-"), _DEEPEST)
    if found is None:
        raise DataError(
            f"{root} holds no known layout of pairs: trainA and trainB; HE/train and IHC/train; "
            f"A/train and B/train; train_HE and train_IHC; HE and {marker} (or IHC); train with "
            "pictures that show H&E and IHC side by side; or pictures named *_HE and *_IHC."
        )
    return found


def _below(root: Path, marker: str, depth: int) -> Layout | None:
    for nest in _nests(root, marker):
        for name, he, ihc in _FORMS:
            if sides := _sides(nest, he, ihc, marker):
                return Layout(name, sides)
        if sides := _side_by_side(nest):
            return Layout(SIDE_BY_SIDE, sides)
        if sides := _by_endings(nest, marker):
            return Layout(ENDINGS, sides)
    folders = _folders(root)
    return _below(folders[0], marker, depth - 1) if len(folders) == 1 and depth > 0 else None


def _nests(root: Path, marker: str) -> Iterator[Path]:
    for outer in (root, _folder(root, marker)):
        for nest in (outer, outer and _folder(outer, _NEST)):
            if nest:
                yield nest


def _sides(nest: Path, he: str, ihc: str, marker: str) -> tuple[Side, ...]:
    """Return the sides of one form: training and the first of the others, or the only one."""
    if "{split}" not in he:
        whole = _side(nest, None, he, ihc, "", marker)
        return (whole,) if whole else ()
    train = _side(nest, "train", he, ihc, "train", marker)
    if train is None:
        return ()
    others = (_side(nest, "validation", he, ihc, word, marker) for word in _HELD_OUT)
    return (train, *[side for side in others if side][:1])


def _side(
    nest: Path, split: Split | None, he: str, ihc: str, word: str, marker: str
) -> Side | None:
    for name in (marker, "IHC"):
        places = (form.format(split=word, he="HE", ihc=name) for form in (he, ihc))
        first, second = (_folder(nest, place) for place in places)
        if first and second and first != second:
            return Side(split, first, second)
    return None


def _side_by_side(nest: Path) -> tuple[Side, ...]:
    train, held_out = _split_folders(nest)
    if train is None or not _twice_as_wide(train):
        return ()
    return (
        Side("train", train, train),
        *[Side("validation", folder, folder) for folder in held_out],
    )


def _split_folders(nest: Path) -> tuple[Path | None, list[Path]]:
    """Return the folder of training pictures, and that of held-out ones where there is one."""
    others = [folder for word in _HELD_OUT if (folder := _folder(nest, word))]
    return _folder(nest, "train"), others[:1]


def _by_endings(nest: Path, marker: str) -> tuple[Side, ...]:
    """Return the sides of one folder, or of its splits, where endings tell H&E from IHC."""
    train, held_out = _split_folders(nest)
    places: list[tuple[Split | None, Path]] = [(None, nest)]
    if train is not None:
        places = [("train", train), *[("validation", folder) for folder in held_out]]
    found = [(split, folder, _endings(folder, marker)) for split, folder in places]
    if not found[0][-1]:
        return ()
    return tuple(Side(split, folder, folder, ends) for split, folder, ends in found if ends)


def _endings(folder: Path, marker: str) -> tuple[str, str] | None:
    """Return how the stems of H&E and of IHC end; None where they do not tell them apart.

    An IHC ends with the marker, ``IHC``, or both; else the one ending that begins with ``IHC``.
    """
    stems = [file.stem for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    ends = sorted({stem[stem.rindex("_") :] for stem in stems if "_" in stem[1:]})
    he = [end for end in ends if _plain(end) == "he"]
    named = {_plain(f"IHC{marker}"), _plain(marker), "ihc"}
    ihc = [end for end in ends if _plain(end) in named]
    ihc = ihc or [end for end in ends if _plain(end).startswith("ihc")]
    return (he[0], ihc[0]) if len(he) == len(ihc) == 1 else None


def _twice_as_wide(folder: Path) -> bool:
    """Return whether the first picture of ``folder`` that can be read is two squares."""
    for first, *_ in pictures(folder).values():
        try:
            width, height = size_of(first)
        except DataError:
            continue
        return width == 2 * height
    return False


def _folder(root: Path, place: str) -> Path | None:
    """Return the folder at ``place`` below ``root``, letter case and dashes aside."""
    found = root
    for name in place.split("/"):
        alike = [f for f in _folders(found) if _plain(name) and _plain(f.name) == _plain(name)]
        if not alike:
            return None
        found = next((folder for folder in alike if folder.name == name), alike[0])
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def pictures(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures below ``folder`` by their path without suffix, sorted.

    Several files share an entry where only their suffixes differ. Hidden files are no pictures.
    """
    found: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.name[0] != "." and file.is_file():
            name = file.relative_to(folder).with_suffix("").as_posix()
            found.setdefault(name, []).append(file)
    return found


def slide_of(stem: str) -> str | None:
    """Return the slide a picture comes from where its name tells it (MIST), else None.

    MIST names are ``<slide>_<column>_<row>``, so that neighbours on a slide share the first part.
    """
    *slide, column, row = stem.rsplit("/", 1)[-1].split("_") if stem.count("_") >= 2 else ("", "")
    return "_".join(slide) if slide and slide[0] and (column + row).isdigit() else None
