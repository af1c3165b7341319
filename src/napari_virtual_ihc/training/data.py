"""Folders of H&E and IHC pairs: found, checked before training, and read."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.stains.tissue import tissue_fraction, tissue_mask
from napari_virtual_ihc.training.layouts import Layout, Side, detect, pictures, slide_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FindingKind = Literal["unpaired", "unreadable", "size", "blank", "split"]
_BLANK_TISSUE = 0.02
_HELD_OUT = 0.1
_CACHED_PICTURES = 2048
_THREADS = 4


@dataclass(frozen=True)
class Pair:
    """One H&E picture and its IHC counterpart.

    Attributes
    ----------
    name
        Common stem.
    he, ihc
        Files.
    """

    name: str
    he: Path
    ihc: Path


@dataclass(frozen=True)
class Finding:
    """Something about the data that its owner should know before training.

    Attributes
    ----------
    kind
        What is wrong; all but ``split`` leave the picture or pair out.
    name
        The picture or pair.
    message
        One sentence.
    """

    kind: FindingKind
    name: str
    message: str


@dataclass(frozen=True)
class PairFolder:
    """A checked data set.

    Attributes
    ----------
    root
        Its folder.
    layout
        Name of the recognised layout.
    mpp
        Scale of the pictures, µm/px.
    marker
        What the IHC shows.
    train, validation
        Usable pairs.
    findings
        What was left out, and why.
    fingerprint
        Hash of names, splits and file contents of the usable pairs.
    """

    root: Path
    layout: str
    mpp: float
    marker: str
    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    findings: tuple[Finding, ...]
    fingerprint: str

    @classmethod
    def open(cls, root: Path, *, mpp: float, marker: str, crop: int) -> PairFolder:
        """Find, read and check all pairs below ``root``.

        Parameters
        ----------
        mpp
            Scale of the pictures, µm/px.
        crop
            Side of the crops that will be cut, in pixels; smaller pictures are left out.

        Raises
        ------
        DataError
            If no layout is recognised, or no usable pair is left to train on.
        """
        layout = detect(root, marker)
        findings: list[Finding] = []
        train, validation = _splits(layout, findings)
        checked, digests = _check([*train, *validation], mpp, crop, findings)
        good = set(checked)
        data = cls(
            root,
            layout.name,
            mpp,
            marker,
            tuple(pair for pair in train if pair in good),
            tuple(pair for pair in validation if pair in good),
            tuple(findings),
            hash_of(layout.name, mpp, *sorted(digests)),
        )
        if not data.train:
            told = [finding.message for finding in findings if finding.kind != "split"]
            reason = told[0] if told else "The folders are empty."
            raise DataError(f"{root} holds no usable training pair. {reason}")
        return data


def _splits(layout: Layout, findings: list[Finding]) -> tuple[list[Pair], list[Pair]]:
    by_split = [(side.split, _pairs(side, findings)) for side in layout.sides]
    train = [pair for split, pairs in by_split if split != "validation" for pair in pairs]
    validation = [pair for split, pairs in by_split if split == "validation" for pair in pairs]
    if validation:
        return train, validation
    return _hold_out(train, findings)


def _pairs(side: Side, findings: list[Finding]) -> list[Pair]:
    he, ihc = pictures(side.he), pictures(side.ihc)
    for name in sorted(he.keys() ^ ihc.keys()):
        lonely, missing = (he[name], side.ihc) if name in he else (ihc[name], side.he)
        sentence = f"{lonely} has no counterpart of the same name in {missing}."
        findings.append(Finding("unpaired", name, sentence))
    return [Pair(name, he[name], ihc[name]) for name in sorted(he.keys() & ihc.keys())]


def _hold_out(pairs: list[Pair], findings: list[Finding]) -> tuple[list[Pair], list[Pair]]:
    """Hold out about a tenth: whole slides where names tell them, else single pairs."""
    slides = {pair.name: slide_of(pair.name) for pair in pairs}
    told = all(slides.values())
    if not told:
        sentence = (
            "Names do not tell slides, so single pictures are held out for validation; pictures "
            "of one slide on both sides make its figures too good."
        )
        findings.append(Finding("split", "validation", sentence))
    groups = sorted({(slides[p.name] if told else p.name) or "" for p in pairs}, key=hash_of)
    held = set(groups[: max(1, round(_HELD_OUT * len(groups)))]) if len(groups) > 1 else set()
    out = [pair for pair in pairs if (slides[pair.name] if told else pair.name) in held]
    return [pair for pair in pairs if pair not in out], out


def _check(
    pairs: Sequence[Pair], mpp: float, crop: int, findings: list[Finding]
) -> tuple[list[Pair], list[str]]:
    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(lambda pair: _check_pair(pair, mpp, crop), pairs))
    good = []
    for pair, (finding, _) in zip(pairs, results, strict=True):
        if finding is None:
            good.append(pair)
        else:
            findings.append(finding)
    return good, [digest for finding, digest in results if finding is None]


def _check_pair(pair: Pair, mpp: float, crop: int) -> tuple[Finding | None, str]:
    """Return what is wrong with a pair, if anything, and the hash of its name and files."""
    images, digest = [], hashlib.sha256(pair.name.encode())
    for file in (pair.he, pair.ihc):
        try:
            images.append(read_picture(file))
            digest.update(file.read_bytes())
        except (DataError, OSError) as error:
            return Finding("unreadable", pair.name, str(error)), ""
    he, ihc = images
    if he.shape != ihc.shape:
        sizes = " and ".join(f"{i.shape[1]} × {i.shape[0]} px" for i in images)
        return Finding("size", pair.name, f"{pair.he} and its IHC differ in size: {sizes}."), ""
    if min(he.shape[:2]) < crop:
        return Finding("size", pair.name, f"{pair.he} is smaller than a crop of {crop} px."), ""
    if tissue_fraction(tissue_mask(he, mpp, (242, 242, 242))) < _BLANK_TISSUE:
        return Finding("blank", pair.name, f"{pair.he} shows hardly any tissue."), ""
    return None, digest.hexdigest()


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture as (h, w, 3) uint8.

    Raises
    ------
    DataError
        If the file is damaged or not a picture.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}.") from error


@lru_cache(maxsize=_CACHED_PICTURES)
def _cached(path: Path, load_size: int | None) -> NDArray[np.uint8]:
    picture = read_picture(path)
    if load_size is None or picture.shape[:2] == (load_size, load_size):
        return picture
    resized = Image.fromarray(picture).resize((load_size, load_size), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def load(pair: Pair, load_size: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return H&E and IHC of a pair, (h, w, 3) uint8, resized (bicubic) to a side where asked."""
    return _cached(pair.he, load_size), _cached(pair.ihc, load_size)
