"""Training pairs on disk: ``trainA, trainB, valA, valB``, and what they were cut from."""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from napari_virtual_ihc.comparison.comparability import DEFAULT_RULES
from napari_virtual_ihc.comparison.gate import SlidePair, layout_for
from napari_virtual_ihc.comparison.training_pairs import PairPlan, Square, plan_pairs
from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.files import atomic_write_bytes, hash_of, read_json, sha256_file, write_json
from napari_virtual_ihc.provenance import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_virtual_ihc.comparison.training_pairs import PairSettings
    from napari_virtual_ihc.registration.registration import Registration
    from napari_virtual_ihc.slides.slide import Slide

    Report = Callable[[str, int, int], None]

SCHEMA = "virtual-ihc/training-pairs/1"
NO_PIXELS = "off a slide or unreadable"
_LOOKS, _CUTS = "Looks where slides are comparable", "Cuts pairs"
_SAME_FOR_ALL = ("um_per_px", "side_px", "marker")


@dataclass(frozen=True)
class Registered:
    """An H&E slide, the IHC laid onto it, and the registration that lays it there."""

    he: Slide
    ihc: Slide
    registration: Registration


def cut_pairs(
    slides: Registered, settings: PairSettings, out: Path, report: Report
) -> dict[str, Any]:
    """Write the pairs of two registered slides and ``pairs-<slides>.json``; return the latter.

    Nothing is written before it is known which squares are cut. Every file is put in place whole;
    a call that was stopped goes on when it is repeated. Pairs of several slides may lie in one
    folder, at one scale.

    Parameters
    ----------
    slides
        ``ihc`` is the moving slide, warped.
    out
        Folder, made where it is missing.
    report
        Called with what is done, steps done and steps in all; may raise to stop.

    Raises
    ------
    RegistrationError
        If the H&E is not the one registered.
    DataError
        If nothing is comparable, or the folder holds pairs cut in another way.
    """
    slides.registration.require(fixed=slides.he)
    facts = _facts(slides, settings)
    record = out / f"pairs-{facts['name']}.json"
    there = _claimed(out, record, facts)
    plan = there or _planned(slides, settings, report)
    told = facts | _plan_facts(plan) | {"finished": False}
    if there is None:
        write_json(record, told)
    hashes = _cut(slides, settings, plan, out, report)
    told |= _outcome(plan, hashes)
    write_json(record, told)
    return told


def _planned(slides: Registered, settings: PairSettings, report: Report) -> PairPlan:
    pair = SlidePair(slides.he, slides.ihc, "he", layout_for(slides.he, slides.ihc))
    return plan_pairs(
        pair, slides.registration, settings, lambda done, total: report(_LOOKS, done, total)
    )


def _cut(
    slides: Registered, settings: PairSettings, plan: PairPlan, out: Path, report: Report
) -> dict[str, list[str] | None]:
    """Write what is missing; return the SHA-256 of both pictures by name, None where not cut."""
    name, hashes = _name_of(slides), {}
    for done, square in enumerate(plan.squares, 1):
        stem = f"{name}_{square.column}_{square.row}"
        files = [out / f"{square.split}{side}" / f"{stem}.png" for side in "AB"]
        there = all(file.exists() for file in files) or _write(slides, settings, square, files)
        hashes[stem] = [sha256_file(file) for file in files] if there else None
        report(_CUTS, done, len(plan.squares))
    return hashes


def _write(slides: Registered, settings: PairSettings, square: Square, files: list[Path]) -> bool:
    """Write one pair unless a pixel of it is not right; return whether it was written."""
    y, x = (number * settings.side_um for number in (square.row, square.column))
    size = settings.side, settings.side
    views = [slide.region(y, x, *size, settings.mpp) for slide in (slides.he, slides.ihc)]
    if not all(view.valid.all() for view in views):
        return False
    for view, file in zip(views, files, strict=True):
        stream = io.BytesIO()
        Image.fromarray(view.pixels).save(stream, "PNG", compress_level=3)
        atomic_write_bytes(file, stream.getvalue())
    return True


def _name_of(slides: Registered) -> str:
    """Return what pairs of two slides are called: it says nothing of their files."""
    return hash_of("pairs", slides.he.fingerprint, slides.ihc.fingerprint)[:10]


def _facts(slides: Registered, settings: PairSettings) -> dict[str, Any]:
    """Return what pairs are made from and how."""
    return stamp(SCHEMA, "pairs") | {
        "name": _name_of(slides),
        "um_per_px": settings.mpp,
        "side_px": settings.side,
        "marker": settings.marker,
        "least_tissue": settings.tissue,
        "least_comparable": settings.comparable,
        "held_out": settings.held_out,
        "rules": DEFAULT_RULES.name,
        "he": slides.he.fingerprint,
        "ihc": slides.registration.moving.fingerprint,
        "registered_ihc": slides.ihc.fingerprint,
        "registration": slides.registration.stage,
    }


def _plan_facts(plan: PairPlan) -> dict[str, Any]:
    return {
        "squares": plan.squares_in_all,
        "dropped": plan.dropped,
        "tissue_shares": plan.tissue,
        "cut": [asdict(square) for square in plan.squares],
    }


def _outcome(plan: PairPlan, hashes: dict[str, list[str] | None]) -> dict[str, Any]:
    """Return how many pairs there are on each side, and a hash of all of them."""
    written = [one for one, found in zip(plan.squares, hashes.values(), strict=True) if found]
    lost = len(plan.squares) - len(written)
    return {
        "pairs": {split: sum(one.split == split for one in written) for split in ("train", "val")},
        "dropped": plan.dropped | ({NO_PIXELS: lost} if lost else {}),
        "files_sha256": hashlib.sha256("\n".join(_lines(hashes)).encode()).hexdigest(),
        "finished": True,
    }


def _lines(hashes: dict[str, list[str] | None]) -> Iterator[str]:
    for name, found in sorted(hashes.items()):
        if found:
            yield " ".join([name, *found])


def _claimed(out: Path, record: Path, facts: dict[str, Any]) -> PairPlan | None:
    """Return the plan of the same call before, if there was one.

    Raises
    ------
    DataError
        If the folder holds pairs of another scale, size or marker, or of these slides cut in
        another way.
    """
    for other in sorted(out.glob("pairs-*.json")) if out.is_dir() else ():
        known = read_json(other, schema=SCHEMA)
        names = facts if other == record else _SAME_FOR_ALL
        differing = [name for name in names if known.get(name) != facts[name]]
        if differing:
            raise DataError(
                f"{out} holds pairs cut with another {differing[0].replace('_', ' ')}; give "
                "another folder."
            )
    return _plan_of(record) if record.exists() else None


def _plan_of(record: Path) -> PairPlan:
    known = read_json(record, schema=SCHEMA)
    try:
        squares = tuple(Square(**one) for one in known["cut"])
        dropped = {name: count for name, count in known["dropped"].items() if name != NO_PIXELS}
        return PairPlan(squares, int(known["squares"]), dropped, known["tissue_shares"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{record} is damaged: {error}.") from error
