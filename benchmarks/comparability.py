"""Whether the maps of comparison tell same from other tissue, and see a shift where it is.

``--same HE IHC MPP`` is one section stained twice, ``--serial HE IHC MPP`` two sections; each may
be given several times. Of every pair, medians of the structure maps and the comparable share are
told. Into every same one, and into sections of phantoms, shifts are injected: a square of half the
picture's side is taken from beside it, at several places and in four directions. ``roc`` is the
area under the ROC curve of the map's mismatch, cells inside the square against all others, mean and
least over the injections; ``roc_apart`` leaves out cells whose window straddles the square's edge;
``seen`` and ``false`` are the shares of cells called shifted well inside and well outside.

Run as ``python benchmarks/comparability.py --json`` from a checkout.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from napari_virtual_ihc.comparison.comparability import Verdict, comparability
from napari_virtual_ihc.comparison.structure import mutual_information, ncc, ssim_structure
from napari_virtual_ihc.comparison.views import PairView
from napari_virtual_ihc.comparison.windows import Layout
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.slides.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import tumour_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.slide import Slide

    Rgb = NDArray[np.uint8]
    Values = NDArray[np.float64]
    Cells = NDArray[np.bool_]

LAYOUT = Layout()
SHIFTS_UM = (10, 15, 20, 30, 40)
_SEEDS = range(3, 40)
_PHANTOM_UM = 384
_BLOCK_UM = 256
_STEPS = 4


@dataclass(frozen=True)
class Pair:
    """Two pictures at 1 µm/px that lie on each other."""

    name: str
    he: Rgb
    ihc: Rgb

    @property
    def side(self) -> int:
        """The smaller side, px."""
        return min(self.he.shape[:2])


@dataclass(frozen=True)
class Shift:
    """A square of ``side`` px at (y, x) whose tissue comes from ``by`` px beside it."""

    y: int
    x: int
    side: int
    by: tuple[int, int]

    def of(self, ihc: Rgb) -> Rgb:
        """Return a picture with the shift in it."""
        moved, (down, along) = ihc.copy(), self.by
        rows, columns = slice(self.y, self.y + self.side), slice(self.x, self.x + self.side)
        moved[rows, columns] = ihc[
            self.y + down : self.y + down + self.side, self.x + along : self.x + along + self.side
        ]
        return moved

    def cells(self, shape: tuple[int, int], grown: float) -> Cells:
        """Return the cells whose centre lies in the square, grown by some px on each side."""
        inside = [
            (at >= start - grown) & (at < start + self.side + grown)
            for start, at in zip(
                (self.y, self.x), (LAYOUT.cell * (np.arange(n) + 0.5) for n in shape), strict=True
            )
        ]
        return np.asarray(inside[0][:, None] & inside[1], np.bool_)


def shifts(side: int, by: int) -> Iterator[Shift]:
    """Yield the shifts by a distance that the picture has tissue for."""
    square = side // 2 // LAYOUT.cell * LAYOUT.cell
    places = np.linspace(0, side - square, _STEPS).astype(int)
    ways = ((0, by), (by, 0), (0, -by), (-by, 0))
    for y, x, (down, along) in product(places, places, ways):
        ends = (y + down, x + along, y + down + square, x + along + square)
        if min(ends[:2]) >= 0 and max(ends[2:]) <= side:
            yield Shift(int(y), int(x), square, (down, along))


def view_of(he: Rgb, ihc: Rgb) -> PairView:
    """Return the pair as maps see it, mirrored at its edges."""
    around = ((LAYOUT.margin,) * 2, (LAYOUT.margin,) * 2, (0, 0))
    return PairView(*(np.pad(one, around, mode="reflect") for one in (he, ihc)), LAYOUT)


def likeness(pair: Pair) -> dict[str, float]:
    """Return medians of the structure maps, and the share of tissue that is comparable."""
    view = view_of(pair.he, pair.ihc)
    maps = {"ncc": ncc, "mutual_information": mutual_information, "ssim": ssim_structure}
    medians = {name: float(np.median(make(view))) for name, make in maps.items()}
    found = medians | {"comparable": comparability(view).shares()["comparable"]}
    return {name: round(value, 3) for name, value in found.items()}


def injected(pair: Pair, by: int) -> dict[str, float]:
    """Return how the map sees shifts by a distance; see the module."""
    rows = [_seen(pair, one) for one in shifts(pair.side, by)]
    table = np.array([row for row in rows if np.isfinite(row).all()])
    roc, apart, seen, false = table.mean(axis=0)
    found = {"roc": roc, "roc_least": table[:, 0].min(), "roc_apart": apart, "seen": seen,
             "false": false}  # fmt: skip
    return {name: round(float(value), 3) for name, value in found.items()} | {"n": len(table)}


def _seen(pair: Pair, one: Shift) -> tuple[float, float, float, float]:
    found = comparability(view_of(pair.he, one.of(pair.ihc)))
    half, shape = LAYOUT.window_um / 2, found.verdicts.shape
    inside, core, wide = (one.cells(shape, grown) for grown in (0, -half / 2, half))
    judged, shifted = np.isfinite(found.mismatch), found.verdicts == Verdict.SHIFTED
    apart = judged & (core | ~wide)
    return (
        roc_area(found.mismatch[judged], inside[judged]),
        roc_area(found.mismatch[apart], inside[apart]),
        float(shifted[core].mean()),
        float(shifted[~wide].mean()) if (~wide).any() else float("nan"),
    )


def roc_area(score: Values, truth: Cells) -> float:
    """Return the chance that a true cell scores higher; nan where there are not both."""
    many, others = int(truth.sum()), int((~truth).sum())
    if not many or not others:
        return float("nan")
    return float((rankdata(score)[truth].sum() - many * (many + 1) / 2) / (many * others))


def phantom_pair(seed: int) -> Pair:
    """Return H&E and IHC of one section of a phantom."""
    phantom = Phantom(seed, 4096, 4096)
    row, column = tumour_blocks(phantom)[0]
    he, ihc = (
        _pixels(slide, row * _BLOCK_UM, column * _BLOCK_UM, _PHANTOM_UM, _PHANTOM_UM)
        for slide in (phantom.he(), phantom.ihc())
    )
    return Pair(f"phantom {seed}", he, ihc)


def read_pair(words: Sequence[str]) -> Pair:
    """Return two pictures of one scale as a pair."""
    slides = [open_slide(Path(word), float(words[2])) for word in words[:2]]
    h, w = (int(min(sides)) for sides in zip(*(slide.size_um for slide in slides), strict=True))
    he, ihc = (_pixels(slide, 0, 0, h, w) for slide in slides)
    return Pair(Path(words[0]).stem, he, ihc)


def _pixels(slide: Slide, y: int, x: int, h: int, w: int) -> Rgb:
    return slide.region(y, x, h, w, LAYOUT.mpp).pixels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    files = ("HE", "IHC", "MPP")
    parser.add_argument("--same", nargs=3, action="append", default=[], metavar=files)
    parser.add_argument("--serial", nargs=3, action="append", default=[], metavar=files)
    parser.add_argument("--phantoms", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    same = [read_pair(one) for one in words.same]
    same += [phantom_pair(seed) for seed in _SEEDS[: words.phantoms]]
    serial = [read_pair(one) for one in words.serial]
    found: dict[str, Any] = stamp("virtual-ihc/benchmark-comparability/1", parser.prog)
    found["same"] = {pair.name: likeness(pair) for pair in same}
    found["serial"] = {pair.name: likeness(pair) for pair in serial}
    found["shifts"] = {
        pair.name: {f"{by} µm": injected(pair, by) for by in SHIFTS_UM} for pair in same
    }
    print(json.dumps(found) if words.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
