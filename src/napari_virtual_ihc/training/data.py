"""Folders of H&E and IHC pairs: found, checked before training, and named by their content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.training.checking import Checked, check_pairs
from napari_virtual_ihc.training.findings import Finding, counts
from napari_virtual_ihc.training.layouts import detect
from napari_virtual_ihc.training.look_store import LookStore
from napari_virtual_ihc.training.pictures import Pair, Picture, load, load_picture
from napari_virtual_ihc.training.splits import slides_of, split_pairs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Finding", "Pair", "PairFolder", "Picture", "load", "load_picture"]


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
        What was left out or should be known, and why.
    fingerprint
        Hash of layout, scale, and of split, name and pixels of the usable pairs.
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
    def open(
        cls,
        root: Path,
        *,
        mpp: float,
        marker: str,
        crop: int,
        report: Callable[[int, int], None] | None = None,
    ) -> PairFolder:
        """Find, read and check all pairs below ``root``.

        Every picture is decoded once; what it looks like is kept in the settings' cache, so that
        opening the same files again is quick.

        Parameters
        ----------
        mpp
            Scale of the pictures, µm/px.
        marker
            What the IHC shows, after which its folder may be named.
        crop
            Side of the crops that will be cut, in pixels; smaller pictures are left out.
        report
            Called with files looked at and files in all.

        Raises
        ------
        DataError
            If no layout is recognised, or no usable pair is left to train on.
        """
        layout = detect(root, marker)
        train, validation, found = split_pairs(layout)
        store = LookStore.open(load_settings().cache_dir, root, mpp)
        checked = check_pairs(train, validation, store, crop, report)
        findings = (*found, *checked.findings)
        if not checked.train:
            told = [finding.message for finding in findings if not finding.kept]
            reason = told[0] if told else "The folders are empty."
            raise DataError(f"{root} holds no usable training pair. {reason}")
        return cls(
            root,
            layout.name,
            mpp,
            marker,
            tuple(seen.pair for seen in checked.train),
            tuple(seen.pair for seen in checked.validation),
            findings,
            _fingerprint(layout.name, mpp, checked),
        )

    def summary(self) -> dict[str, Any]:
        """Return layout, counts, slides and findings as JSON values.

        Slides are None where names do not tell them.
        """
        slides = [slides_of(pairs) for pairs in (self.train, self.validation)]
        train, validation = (None if named is None else len(named) for named in slides)
        return {
            "folder": str(self.root),
            "layout": self.layout,
            "marker": self.marker,
            "um_per_px": self.mpp,
            "pairs": {"train": len(self.train), "validation": len(self.validation)},
            "slides": {"train": train, "validation": validation},
            "fingerprint": self.fingerprint,
            "finding_counts": counts(self.findings),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def _fingerprint(layout: str, mpp: float, checked: Checked) -> str:
    splits = (("train", checked.train), ("validation", checked.validation))
    rows = [
        [split, seen.pair.name, seen.he.pixels, seen.ihc.pixels]
        for split, side in splits
        for seen in side
    ]
    return hash_of(layout, mpp, sorted(rows))
