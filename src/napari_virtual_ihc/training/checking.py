"""All pairs looked at, and each that cannot be trained on set aside with its reason."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.training.findings import (
    Finding,
    Seen,
    judge_duplicates,
    judge_pair,
    judge_stains,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_virtual_ihc.training.look_store import LookStore
    from napari_virtual_ihc.training.looks import Look
    from napari_virtual_ihc.training.pictures import Pair, Picture

_MOST_THREADS = 16


@dataclass(frozen=True)
class Checked:
    """What a check came to.

    Attributes
    ----------
    train, validation
        Usable pairs and what they look like.
    findings
        What is wrong with the others, and with whole folders.
    """

    train: list[Seen]
    validation: list[Seen]
    findings: list[Finding]


def check_pairs(
    train: Sequence[Pair],
    validation: Sequence[Pair],
    store: LookStore,
    crop: int,
    report: Callable[[int, int], None] | None = None,
) -> Checked:
    """Look at all pairs and set aside those that are damaged, unfit, of the wrong stain or double.

    Parameters
    ----------
    train, validation
        All pairs.
    store
        Where looks are kept; its scale is that of the pictures.
    crop
        Side of the crops that will be cut, pixels.
    report
        Called with files looked at and files in all.
    """
    pairs = [*train, *validation]
    looks = _look_at_all(pairs, store, report)
    seen, bad = _seen(pairs, looks)
    bad |= {one.pair: wrong for one in seen if (wrong := judge_pair(one, store.mpp, crop))}
    folders, mixed = judge_stains([one for one in seen if one.pair not in bad])
    bad |= {pair: finding for pair, finding in mixed.items() if not finding.kept}
    folders += [finding for finding in mixed.values() if finding.kept]
    left = {one.pair: one for one in seen if one.pair not in bad}
    sides = [[left[pair] for pair in side if pair in left] for side in (train, validation)]
    bad |= judge_duplicates(*sides)
    good = [[one for one in side if one.pair not in bad] for side in sides]
    return Checked(good[0], good[1], [*folders, *(bad[pair] for pair in pairs if pair in bad)])


def _look_at_all(
    pairs: Sequence[Pair], store: LookStore, report: Callable[[int, int], None] | None
) -> dict[Picture, Look | str]:
    """Return what each picture looks like, or why it cannot be read; several files at a time."""
    files: dict[Path, list[Picture]] = {}
    for pair in pairs:
        for picture in (pair.he, pair.ihc):
            files.setdefault(picture.path, []).append(picture)
    looks: dict[Picture, Look | str] = {}
    pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1))
    try:
        jobs = pool.map(lambda item: _look(store, *item), files.items())
        for done, found in enumerate(jobs, 1):
            looks |= found
            if report is not None:
                report(done, len(files))
    finally:
        pool.shutdown(cancel_futures=True)
        store.save()
    return looks


def _look(store: LookStore, path: Path, pictures: list[Picture]) -> dict[Picture, Look | str]:
    try:
        return dict(zip(pictures, store.looks(path, pictures), strict=True))
    except (DataError, OSError) as error:
        return dict.fromkeys(pictures, str(error))


def _seen(
    pairs: Sequence[Pair], looks: dict[Picture, Look | str]
) -> tuple[list[Seen], dict[Pair, Finding]]:
    seen, unreadable = [], {}
    for pair in pairs:
        he, ihc = looks[pair.he], looks[pair.ihc]
        if isinstance(he, str) or isinstance(ihc, str):
            message = he if isinstance(he, str) else str(ihc)
            unreadable[pair] = Finding("unreadable", pair.name, message)
        else:
            seen.append(Seen(pair, he, ihc))
    return seen, unreadable
