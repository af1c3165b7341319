"""Which pairs are trained on and which are held out, so that no slide is on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.training.findings import Finding
from napari_virtual_ihc.training.layouts import Layout, Side, pictures, slide_of
from napari_virtual_ihc.training.pictures import Pair, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

HELD_OUT = 0.1
_NAMED = 3


def split_pairs(layout: Layout) -> tuple[list[Pair], list[Pair], list[Finding]]:
    """Return the pairs to train on, those held out, and what was found on the way.

    The data set's own split is kept, and reported where slides are on both of its sides. Without
    one, about a tenth is held out: whole slides where all names tell them, else single pictures,
    which is reported too.
    """
    findings: list[Finding] = []
    by_split = [(side.split, _pairs(side, findings)) for side in layout.sides]
    train = [pair for split, pairs in by_split if split != "validation" for pair in pairs]
    validation = [pair for split, pairs in by_split if split == "validation" for pair in pairs]
    if not validation:
        return *hold_out(train, findings), findings
    findings += _shared_slides(train, validation)
    return train, validation, findings


def slides_of(pairs: Iterable[Pair]) -> set[str] | None:
    """Return the slides of ``pairs``, or None where a name does not tell its slide."""
    told = {slide_of(pair.name) for pair in pairs}
    return None if None in told else {slide for slide in told if slide}


def _pairs(side: Side, findings: list[Finding]) -> list[Pair]:
    he = _by_name(side.he, side.endings[0], findings)
    if side.side_by_side:
        return [Pair(n, Picture(f, "left"), Picture(f, "right")) for n, f in he.items()]
    ihc = _by_name(side.ihc, side.endings[1], findings)
    for name in sorted(he.keys() ^ ihc.keys()):
        lonely, missing = (he[name], side.ihc) if name in he else (ihc[name], side.he)
        sentence = f"{lonely} has no counterpart of the same name in {missing}."
        findings.append(Finding("unpaired", name, sentence))
    return [Pair(n, Picture(he[n]), Picture(ihc[n])) for n in he if n in ihc]


def _by_name(folder: Path, ending: str, findings: list[Finding]) -> dict[str, Path]:
    """Return one file for each name without its ending, and report the others of that name."""
    found = {}
    for stem, (first, *others) in pictures(folder).items():
        if not stem.endswith(ending):
            continue
        name = stem.removesuffix(ending)
        found[name] = first
        for other in others:
            sentence = f"{other} has the name of {first.name}."
            findings.append(Finding("duplicate", name, sentence))
    return found


def _shared_slides(train: Sequence[Pair], validation: Sequence[Pair]) -> list[Finding]:
    sides = [{slide_of(pair.name) for pair in pairs} - {None} for pairs in (train, validation)]
    shared = sorted(slide for slide in sides[0] & sides[1] if slide)
    if not shared:
        return []
    some = ", ".join(shared[:_NAMED]) + (", …" if len(shared) > _NAMED else "")
    sentence = (
        f"{len(shared)} slides ({some}) are on both sides of the data set's own split, which makes "
        "its validation figures too good."
    )
    return [Finding("split", "validation", sentence, kept=True)]


def hold_out(pairs: Sequence[Pair], findings: list[Finding]) -> tuple[list[Pair], list[Pair]]:
    """Hold out about a tenth: whole slides where names tell them, else single pairs."""
    told = slides_of(pairs) is not None
    if not told:
        sentence = (
            "Names do not tell slides, so single pictures are held out for validation; pictures "
            "of one slide on both sides make its figures too good."
        )
        findings.append(Finding("split", "validation", sentence, kept=True))
    group = {pair: (slide_of(pair.name) if told else pair.name) or "" for pair in pairs}
    groups = sorted(set(group.values()), key=hash_of)
    held = set(groups[: max(1, round(HELD_OUT * len(groups)))]) if len(groups) > 1 else set()
    out = [pair for pair in pairs if group[pair] in held]
    return [pair for pair in pairs if group[pair] not in held], out
