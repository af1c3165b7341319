"""Small pictures of the same tissue in H&E and IHC, as folders for training."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.files import atomic_write_bytes, write_json
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.phantom.noise import Grid, uniform
from napari_virtual_ihc.slides.phantom.parameters import PHANTOM_VERSION, marker_model
from napari_virtual_ihc.slides.phantom.phantom import Phantom
from napari_virtual_ihc.slides.phantom.render import BLOCK_PX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_virtual_ihc.slides.phantom.parameters import Section

PAIRS_SCHEMA = "virtual-ihc/phantom-pairs/1"
SLIDE_PX = 6144
BLOCKS_PER_SLIDE = 12
_TUMOUR_SHARE = 0.8
_EVERY = 8
"""One slide of this many is for validation."""


@dataclass(frozen=True)
class Pair:
    """One pair: split, file name, and both pictures (size, size, 3) uint8."""

    split: Literal["train", "val"]
    name: str
    he: NDArray[np.uint8]
    ihc: NDArray[np.uint8]


def pairs(
    count: int, size: int, seed: int, marker: str, mpp: float = 0.5, section: Section = "same"
) -> Iterator[Pair]:
    """Yield pairs cut from the tissue of many phantoms, four fifths of them from tumour.

    Each phantom (own stain colours) gives at most twelve blocks of 512 px; every eighth phantom
    is validation, so no slide is in both splits. Pairs are a function of the arguments.

    Raises
    ------
    UsageError
        If ``size`` does not divide 512 or is under 64, or ``count`` is not positive.
    """
    marker_model(marker)
    if size < 64 or BLOCK_PX % size or count < 1:
        raise UsageError(
            f"Pairs are 64, 128, 256 or 512 px and at least one, not {count} of {size}."
        )
    left = count
    for number in range(10**6):
        phantom = Phantom(seed * 10_007 + number, SLIDE_PX, SLIDE_PX, mpp, marker)
        split: Literal["train", "val"] = "val" if number % _EVERY == 1 else "train"
        for name, he, ihc in _cut(phantom, size, section):
            yield Pair(split, f"{number:04d}_{name}.png", he, ihc)
            left -= 1
            if left == 0:
                return


def write_pairs(
    folder: Path,
    count: int,
    size: int,
    seed: int,
    marker: str,
    mpp: float = 0.5,
    section: Section = "same",
    report: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Write ``folder/{trainA,trainB,valA,valB}/NAME.png`` (A: H&E, B: IHC) and ``pairs.json``.

    This is the layout of the published data sets, which training recognises. Pairs that are
    there already are written again with the same bytes.

    Returns
    -------
    dict
        How many pairs each split has.
    """
    counts = {"train": 0, "val": 0}
    for done, pair in enumerate(pairs(count, size, seed, marker, mpp, section), 1):
        for side, picture in (("A", pair.he), ("B", pair.ihc)):
            atomic_write_bytes(folder / f"{pair.split}{side}" / pair.name, _png(picture))
        counts[pair.split] += 1
        if report is not None:
            report(done)
    facts = {
        "seed": seed, "marker": marker, "um_per_px": mpp, "size_px": size, "section": section,
        "phantom_version": PHANTOM_VERSION, "pairs": counts,
    }  # fmt: skip
    write_json(folder / "pairs.json", stamp(PAIRS_SCHEMA, "phantom") | facts)
    return counts


def _cut(
    phantom: Phantom, size: int, section: Section
) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    he, ihc = phantom.he().source, phantom.ihc(section).source
    for row, col in _blocks(phantom):
        y, x = row * BLOCK_PX, col * BLOCK_PX
        first, second = (s.read(0, y, x, BLOCK_PX, BLOCK_PX)[0] for s in (he, ihc))
        for top in range(0, BLOCK_PX, size):
            for left in range(0, BLOCK_PX, size):
                here = slice(top, top + size), slice(left, left + size)
                yield f"{y + top}_{x + left}", first[here], second[here]


def tumour_blocks(phantom: Phantom) -> list[tuple[int, int]]:
    """Return the blocks of 512 px (row, column) that are rich in tumour, in a seeded order."""
    tissue, tumour = _shares(phantom)
    return _ranked(phantom.seed, (tumour > 0.3) & (tissue > 0.7))


def _blocks(phantom: Phantom) -> list[tuple[int, int]]:
    """Return blocks that are mostly tissue, most of them with tumour, in a seeded order."""
    tissue, tumour = _shares(phantom)
    rich = tumour_blocks(phantom)[: round(_TUMOUR_SHARE * BLOCKS_PER_SLIDE)]
    other = _ranked(phantom.seed, (tumour <= 0.3) & (tissue > 0.4))
    return rich + other[: BLOCKS_PER_SLIDE - len(rich)]


def _shares(phantom: Phantom) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, per whole block, the shares of tissue that is not fat, and of tumour."""
    step = BLOCK_PX * phantom.mpp / 8
    rows, cols = phantom.height // BLOCK_PX, phantom.width // BLOCK_PX
    if not rows or not cols:
        empty = np.zeros((rows, cols))
        return empty, empty
    fields = phantom.tissue(Grid(0.0, 0.0, 8 * rows, 8 * cols, step))
    there = (fields.inside > 10) & (fields.fat < 0.4)
    parts = (there, there & (fields.nest > 0))
    tissue, tumour = (part.reshape(rows, 8, cols, 8).mean((1, 3)) for part in parts)
    return tissue, tumour


def _ranked(seed: int, chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    rows, cols = (np.arange(side, dtype=np.int64) for side in chosen.shape)
    order = uniform(seed, rows[:, None], cols[None, :], 31)
    found = sorted((float(order[r, c]), int(r), int(c)) for r, c in np.argwhere(chosen))
    return [(r, c) for _, r, c in found]


def _png(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=3)
    return stream.getvalue()
