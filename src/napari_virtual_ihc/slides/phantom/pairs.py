"""Small pictures of the same tissue in H&E and IHC, as folders for training."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from napari_virtual_ihc.errors import ExportError, UsageError
from napari_virtual_ihc.files import atomic_write_bytes, read_json, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.phantom.pair_truth import write_window_truth
from napari_virtual_ihc.slides.phantom.parameters import PHANTOM_VERSION, marker_model
from napari_virtual_ihc.slides.phantom.phantom import Phantom
from napari_virtual_ihc.slides.phantom.render import BLOCK_PX
from napari_virtual_ihc.slides.phantom.truth import SQUARE_UM
from napari_virtual_ihc.slides.phantom.windows import choose_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.parameters import Section
    from napari_virtual_ihc.slides.slide import Slide

PAIRS_SCHEMA = "virtual-ihc/phantom-pairs/2"
SLIDE_PX = 6144
Split = Literal["train", "val"]
_PER_SLIDE = 16
_HELD_OUT_EVERY = 5
_SEEDS_APART = 10_007
_SIDES = (64, 2048)


@dataclass(frozen=True)
class PairPlan:
    """Which pairs of which phantoms to write.

    Pairs are spread over slides (own seed, own stain colours) of up to 16 pairs each; every
    fifth slide is held out for validation, so that no slide is in both splits.

    Attributes
    ----------
    count
        Pairs in all.
    size
        Side of a pair, px.
    seed
        Same seed, same pairs; plans of different seeds share no slide.
    marker
        Ki-67, ER, PR or HER2.
    mpp
        µm/px.
    section
        IHC of the same section or of the next.

    Raises
    ------
    UsageError
        If ``count`` is not positive, ``size`` not 64 to 2048, or the marker unknown.
    """

    count: int
    size: int
    seed: int
    marker: str
    mpp: float = 0.5
    section: Section = "same"

    def __post_init__(self) -> None:
        """Refuse what cannot be written."""
        marker_model(self.marker)
        if self.count < 1 or not _SIDES[0] <= self.size <= _SIDES[1]:
            raise UsageError(
                f"Pairs are {_SIDES[0]} to {_SIDES[1]} px and at least one, not {self.count} of "
                f"{self.size}."
            )

    def slides(self) -> Iterator[tuple[Phantom, Split, int]]:
        """Yield each slide, its split and how many pairs it gives."""
        many = max(-(-self.count // _PER_SLIDE), min(self.count, _HELD_OUT_EVERY))
        for number in range(many):
            seed = self.seed * _SEEDS_APART + number
            split: Split = "val" if number % _HELD_OUT_EVERY == 1 else "train"
            pairs = self.count // many + (number < self.count % many)
            yield Phantom(seed, SLIDE_PX, SLIDE_PX, self.mpp, self.marker), split, pairs


@dataclass(frozen=True)
class Place:
    """Where a pair is cut from.

    Attributes
    ----------
    phantom
        The slide.
    y, x, size
        Corner and side of the square, px of level 0.
    """

    phantom: Phantom
    y: int
    x: int
    size: int

    @property
    def name(self) -> str:
        """``phantom<seed>_<x>_<y>``, from which training reads the slide."""
        return f"phantom{self.phantom.seed}_{self.x}_{self.y}"

    def cut(self, slide: Slide) -> NDArray[np.uint8]:
        """Return its pixels on a slide of the phantom, (size, size, 3)."""
        return slide.source.read(0, self.y, self.x, self.size, self.size)[0]


def places_on(phantom: Phantom, count: int, size: int) -> Iterator[Place]:
    """Yield up to ``count`` places, three quarters of them rich in tumour.

    They fill chosen squares of about a rendered block (512 px), so that little is rendered twice.
    """
    each = max(1, BLOCK_PX // size)
    for top, left in choose_windows(phantom, -(-count // each**2), each * size):
        for row in range(each):
            for column in range(each):
                yield Place(phantom, top + row * size, left + column * size, size)


def write_pairs(
    folder: Path,
    plan: PairPlan,
    *,
    truth: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write ``{HE,MARKER}/{train,val}/phantom<seed>_<x>_<y>.png`` and ``pairs.json``.

    Pairs that are there already are left as they are, so that a stopped call goes on.

    Parameters
    ----------
    truth
        Also write what is true of each held-out pair to ``truth``; see `pair_truth`.
    report
        Called with pairs done and pairs in all.

    Returns
    -------
    dict
        How many pairs each split has.

    Raises
    ------
    ExportError
        If the folder holds pairs of another plan.
    UsageError
        If the truth is asked for of another section, or of pairs smaller than its squares.
    """
    if truth:
        _require_truth(plan)
    _claim(folder, plan)
    counts = {"train": 0, "val": 0}
    for phantom, split, wanted in plan.slides():
        he, ihc = phantom.he(), phantom.ihc(plan.section)
        for place in islice(places_on(phantom, wanted, plan.size), wanted):
            for name, slide in (("HE", he), (plan.marker, ihc)):
                write_picture(folder / name / split / f"{place.name}.png", place, slide)
            if truth and split == "val":
                box = (place.y, place.x, place.size, place.size)
                write_window_truth(folder / "truth" / f"{place.name}.npz", phantom, box)
            counts[split] += 1
            if report is not None:
                report(sum(counts.values()), plan.count)
    write_json(folder / "pairs.json", _facts(plan) | {"pairs": counts})
    return counts


def write_picture(file: Path, place: Place, slide: Slide) -> None:
    """Write what a slide shows at a place as PNG, atomically, unless the file is there."""
    if not file.exists():
        stream = io.BytesIO()
        Image.fromarray(place.cut(slide)).save(stream, "PNG", compress_level=3)
        atomic_write_bytes(file, stream.getvalue())


def _require_truth(plan: PairPlan) -> None:
    if plan.section != "same":
        raise UsageError("The truth is known of the same section, not of the next.")
    if plan.size * plan.mpp < SQUARE_UM:
        raise UsageError(
            f"The truth is told per {SQUARE_UM:g} µm square, which pairs of {plan.size} px at "
            f"{plan.mpp:g} µm/px do not hold."
        )


def _facts(plan: PairPlan) -> dict[str, Any]:
    seeds: dict[Split, list[int]] = {"train": [], "val": []}
    for phantom, split, _ in plan.slides():
        seeds[split].append(phantom.seed)
    known = {"plan": asdict(plan), "phantom_version": PHANTOM_VERSION, "slides": seeds}
    return stamp(PAIRS_SCHEMA, "phantom") | {"um_per_px": plan.mpp} | known


def _claim(folder: Path, plan: PairPlan) -> None:
    """Write what the folder is for, or refuse it if it is for something else."""
    file, facts = folder / "pairs.json", _facts(plan)
    if file.exists():
        there = read_json(file, schema=PAIRS_SCHEMA)
        if any(there.get(name) != facts[name] for name in ("plan", "phantom_version")):
            raise ExportError(f"{folder} holds other pairs; give another folder.")
        return
    write_json(file, facts)
