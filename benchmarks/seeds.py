"""Whether the spread over seeds of a diffusion shows faults, on a few tiles with few steps.

Two tiles of 128 µm per picture, both inside the fault's square; cells of 32 px nearer than these to
its edge do not count. What the program takes for pen is not translated: ``translated`` is the share
of cells that were. The diffusion's colours are those of the picture, as in the program.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from faulty import MPP, Picture, area_under, curve, roc_area, scene, spoiled

from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.models.library import bundled_folder
from napari_virtual_ihc.slides.phantom.faults import FAULTS, Fault
from napari_virtual_ihc.slides.phantom.truth import LEAST_TUMOUR
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.answers import Answers
from napari_virtual_ihc.translation.sampling import Sampling
from napari_virtual_ihc.translation.spread import CELL_PX, discord, over_seeds
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faulty import Scene
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

MODEL, STEPS, COUNT, TILE = "demo-miu-diff", 6, 3, 128
_PLACES = (1, 2)
"""Rows, and columns, of the tiles: the first and the last of the fault's square."""
_PICTURES: tuple[Fault | Literal["clean"], ...] = ("clean", *FAULTS)


@dataclass(frozen=True)
class Spreads:
    """What the spread says of a picture's tiles.

    Attributes
    ----------
    inner
        Of the cells well inside the fault.
    errors, means
        Of tiles with tumour enough: |DAB area, virtual − true|, and the mean spread.
    """

    inner: Values
    errors: list[float]
    means: list[float]


def spread_over_seeds(seeds: Sequence[int], folder: Path) -> dict[str, Any]:
    """Return how the spread compares with that of the same places clean, and what it costs."""
    started = time.monotonic()
    found: dict[str, list[Spreads]] = {name: [] for name in _PICTURES}
    for clean in (scene(seed, folder) for seed in seeds):
        for name, all_ in found.items():
            all_.append(spreads(clean if name == "clean" else spoiled(clean, name)))
            print(clean.name, name, middle(all_[-1].inner), file=sys.stderr, flush=True)
    inner = {name: np.concatenate([one.inner for one in all_]) for name, all_ in found.items()}
    before = inner.pop("clean")
    errors, means = (
        np.array([value for all_ in found.values() for one in all_ for value in getattr(one, name)])
        for name in ("errors", "means")
    )
    return {
        "model": MODEL, "steps": STEPS, "seeds_each": COUNT, "phantoms": list(seeds),
        "clean": middle(before),
        "faults": {
            fault: {
                "translated": round(float(np.isfinite(within).mean()), 2),
                "mean": middle(within),
                "roc_to_clean": round(roc_area(within, before), 3),
            }
            for fault, within in inner.items()
        },
        "coverage": {
            "squares": len(errors),
            "random": round(float(errors.mean()), 4),
            "oracle": round(area_under(errors, errors), 4),
            "spread over seeds": round(area_under(errors, means), 4),
            "curves": {"oracle": curve(errors, errors), "spread over seeds": curve(errors, means)},
        },
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def middle(values: Values) -> float | None:
    """Return the mean of what is known; None where nothing is."""
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 3) if known.size else None


def spreads(one: Scene) -> Spreads:
    """Return the spread over seeds of a picture's tiles."""
    slide, cache = Slide(one.name, Picture(one.he), MPP, trusted=True), TileCache(None, 10**9, 0)
    first = Translator(
        load_model(bundled_folder(MODEL)), slide, device="cpu", tile=TILE,
        sampling=Sampling(steps=STEPS),
    )  # fmt: skip
    answers = [Answers(each, cache) for each in over_seeds(first, COUNT)]
    inner, errors, means = [], [], []
    for place in _PLACES:
        tiles = [_tile(each, TileAddress(0, place, place)) for each in answers]
        spread = discord(tiles)[::CELL_PX, ::CELL_PX]
        inner.append((spread[1:, 1:] if place == _PLACES[0] else spread[:-1, :-1]).ravel())
        error = _error(one, place, tiles[0])
        if error is not None and np.isfinite(spread).all():
            errors.append(error)
            means.append(float(spread.mean()))
    return Spreads(np.concatenate(inner), errors, means)


def _tile(answers: Answers, address: TileAddress) -> NDArray[np.uint8]:
    tile = answers.tiles([address], lambda: False)[address]
    if isinstance(tile, TileFailure):
        raise SystemExit(tile.reason)
    return tile


def _error(one: Scene, place: int, tile: NDArray[np.uint8]) -> float | None:
    """Return |DAB area, virtual − true| in a tile's tumour; None where there is little of it."""
    step = round(TILE / MPP)
    where = np.s_[place * step : (place + 1) * step, place * step : (place + 1) * step]
    tumour, true = one.tumour[where], one.dab[where]
    if tumour.mean() < LEAST_TUMOUR:
        return None
    each = step // TILE
    virtual = dab_density(tile[..., :3])[tumour[::each, ::each]]
    areas = [float((dab >= DEFAULT_DAB.threshold).mean()) for dab in (virtual, true[tumour])]
    return abs(areas[0] - areas[1])
