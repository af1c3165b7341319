"""One region seen three times: virtual, real, and where the two can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_virtual_ihc.comparison.comparability import (
    COLOURS,
    VERDICTS,
    Verdict,
    comparability,
)
from napari_virtual_ihc.comparison.figures import percent
from napari_virtual_ihc.comparison.inside import pale_outside
from napari_virtual_ihc.comparison.marking import PLAIN_RGB, STRIP_RGB, burn_mark, burn_scale
from napari_virtual_ihc.comparison.squares import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_virtual_ihc.comparison.gate import SlidePair
    from napari_virtual_ihc.slides.slide import Slide

    Rgb = NDArray[np.uint8]
    Tell = Callable[[int, int], None]

MOST_UM = 2000.0
"""Longest side that is shown; of a larger region, its middle."""
_PX, _BLOCK, _CELLS, _GAP = 512, 128, 32, 8
_GLASS = (255, 255, 255)


@dataclass(frozen=True, eq=False)
class RegionPicture:
    """Three panels of one region.

    Attributes
    ----------
    panels
        Virtual, real and comparability, (h, w, 3) each, the same place at the same scale, with
        what they are burned into strips under them.
    words
        What part of the region they show, empty for all of it.
    """

    panels: tuple[Rgb, Rgb, Rgb]
    words: str

    def whole(self) -> Rgb:
        """Return the panels side by side on white."""
        height = max(len(panel) for panel in self.panels)
        parts: list[Rgb] = []
        for panel in self.panels:
            padded = np.full((height, panel.shape[1] + _GAP, 3), 255, np.uint8)
            padded[: len(panel), : panel.shape[1]] = panel
            parts.append(padded)
        return np.concatenate(parts, axis=1)[:, :-_GAP]


def region_picture(
    virtual: Slide,
    real: Slide,
    pair: SlidePair,
    box: Box | None,
    banner: str,
    tell: Tell,
    rings: Sequence[NDArray[np.float64]] = (),
) -> RegionPicture:
    """Return a picture of a region, or of the slide where ``box`` is None.

    Parameters
    ----------
    virtual, real
        On one µm grid.
    pair
        What is compared for the third panel.
    box
        Region in µm.
    banner
        What the virtual panel says of itself, such as ``"VIRTUAL Ki-67 · demo"``.
    tell
        Called with parts done and in all; what it raises ends the work.
    rings
        Outlines and holes of the region in the box, µm; outside them the picture is pale.
    """
    shown, words = _shown(virtual, box)
    mpp = max(virtual.require_mpp(), max(shown.h, shown.w) / _PX)
    parts = 3
    tell(0, parts)
    first = _read(virtual, shown, mpp, lambda: tell(0, parts))
    tell(1, parts)
    second = _read(real, shown, mpp, lambda: tell(1, parts))
    tell(2, parts)
    verdicts = _verdicts(pair, shown, mpp, first.shape[:2], lambda: tell(2, parts))
    tell(parts, parts)
    first, second, third = (
        pale_outside(one, rings, shown, mpp) for one in (first, second, _painted(verdicts))
    )
    panels = (
        burn_mark(burn_scale(first, mpp), banner, STRIP_RGB),
        burn_mark(burn_scale(second, mpp), real_words(pair), PLAIN_RGB),
        burn_mark(third, "comparability", PLAIN_RGB),
    )
    return RegionPicture(panels, words)


def legend_of(shares: Mapping[str, float]) -> list[tuple[str, tuple[int, int, int]]]:
    """Return words and colour of each verdict of the third panel.

    Parameters
    ----------
    shares
        Of the tissue that was measured by verdict, see `PairTally.verdict_shares`; may be empty.
    """
    judged = [(VERDICTS[one], COLOURS[one][:3]) for one in Verdict if one != Verdict.GLASS]
    return [
        (f"{words} {percent(shares[words])}" if words in shares else words, colour)
        for words, colour in judged
    ]


def real_words(pair: SlidePair) -> str:
    """Return what the real panel says of itself."""
    return "real IHC, taken as aligned" if pair.registration is None else "real IHC, registered"


def _shown(slide: Slide, box: Box | None) -> tuple[Box, str]:
    height, width = slide.size_um
    whole = box or Box(0.0, 0.0, height, width)
    h, w = min(whole.h, MOST_UM), min(whole.w, MOST_UM)
    middle = Box(whole.y + (whole.h - h) / 2, whole.x + (whole.w - w) / 2, h, w)
    if (h, w) == (whole.h, whole.w):
        return whole, ""
    return middle, f"The middle {h / 1000:g} × {w / 1000:g} mm of the region."


def _read(slide: Slide, box: Box, mpp: float, step: Callable[[], None]) -> Rgb:
    """Read block by block, so that a slide of one fine level needs little memory."""
    rows, columns = (max(round(side / mpp), 1) for side in (box.h, box.w))
    pixels = np.empty((rows, columns, 3), np.uint8)
    for y, x, h, w in _pieces(rows, columns, _BLOCK):
        step()
        part = slide.region(box.y + y * mpp, box.x + x * mpp, h, w, mpp)
        pixels[y : y + h, x : x + w] = part.pixels
    return pixels


def _verdicts(
    pair: SlidePair, box: Box, mpp: float, shape: tuple[int, ...], step: Callable[[], None]
) -> NDArray[np.uint8]:
    """Return the verdict of each pixel of a picture of ``box`` at ``mpp``."""
    cell = pair.layout.cell_um
    down, along = (
        np.floor((start + (np.arange(side) + 0.5) * mpp) / cell).astype(np.int64)
        for start, side in ((box.y, shape[0]), (box.x, shape[1]))
    )
    top, left = int(down[0]), int(along[0])
    found = np.zeros((int(down[-1]) - top + 1, int(along[-1]) - left + 1), np.uint8)
    for y, x, h, w in _pieces(*found.shape, _CELLS):
        step()
        view = pair.view(top + y, left + x, h, w)
        found[y : y + h, x : x + w] = comparability(view).verdicts
    whole: NDArray[np.uint8] = found[np.ix_(down - top, along - left)]
    return whole


def _painted(verdicts: NDArray[np.uint8]) -> Rgb:
    table = np.array([COLOURS[one][:3] if COLOURS[one][3] else _GLASS for one in Verdict], np.uint8)
    painted: Rgb = table[verdicts]
    return painted


def _pieces(rows: int, columns: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    for y in range(0, rows, side):
        for x in range(0, columns, side):
            yield y, x, min(side, rows - y), min(side, columns - x)
