"""Which layer of trust shows which fault, and whether trust orders errors; prints one JSON object.

H&E of unseen phantoms is spoiled in one square (`slides.phantom.faults`). ``faults`` gives, for
each fault and layer, the layer's mean inside the square over its mean in the same square of the
clean picture, and areas under ROC curves of 16 µm cells: inside against the same cells clean,
against cells outside, and against these when it was still clean. ``virtual_error`` is what the
fault did to the error of the squares inside. ``coverage`` gives, for clean and for spoiled
pictures, the area under the risk–coverage curve (the mean error of the squares kept, over all
shares kept, least trusted left out first) of each layer, of a random order and of the errors
themselves, and the ``curves`` at shares of 10, 20, …, 100 %. An error is |DAB area, virtual − true|
of a 128 µm square. ``--seeds N`` does the same to the spread over seeds of `demo-miu-diff` on N
phantoms (see `seeds`).

Run as ``python benchmarks/trust.py --json`` from a checkout.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from faulty import MPP, PLACE, SIDE, Picture, area_under, curve, roc_area, scene, spoiled
from seeds import spread_over_seeds

from napari_virtual_ihc.models.library import bundled_folder
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.phantom.faults import FAULTS
from napari_virtual_ihc.slides.phantom.truth import LEAST_TUMOUR, SQUARE_UM
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.tiles.cache import TileCache
from napari_virtual_ihc.tiles.producer import TileFailure
from napari_virtual_ihc.translation.answers import Answers
from napari_virtual_ihc.translation.familiarity import Unfamiliar
from napari_virtual_ihc.translation.jitter import under_jitter
from napari_virtual_ihc.translation.spread import discord
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faulty import Scene
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

CELL = 32
_AROUND = 3
"""Cells beside the border of a fault that count neither as inside nor as outside."""
_SEEDS = range(400, 440)
_MODELS = ("demo", "demo-mdcl")


@dataclass(frozen=True)
class Judged:
    """What the layers say of a scene per cell of 16 µm, and the virtual DAB OD per pixel."""

    layers: dict[str, Values]
    virtual: NDArray[np.float32]


def judge(one: Scene) -> Judged:
    """Translate a scene and make every layer of it."""
    from napari_virtual_ihc.models.folder import load_model

    slide, cache = Slide(one.name, Picture(one.he), MPP, trusted=True), TileCache(None, 10**9, 0)
    models = [load_model(bundled_folder(name)) for name in _MODELS]
    first, second = (Translator(model, slide, device="cpu") for model in models)
    own, *jittered = (_whole(answer, cache) for answer in under_jitter(first))
    other = _whole(second, cache)
    layers = {
        "models disagree": cells(discord([own, other])),
        "jitter": cells(discord([own, *jittered])),
        "unfamiliar": Unfamiliar(first.model.card, slide).values(0, 0, SIDE // CELL, SIDE // CELL),
    }
    return Judged(layers, dab_density(own[..., :3]))


def _whole(producer: Any, cache: TileCache) -> NDArray[np.uint8]:
    pixels = Answers(producer, cache).region(0, 0, SIDE, SIDE, lambda: False)
    if isinstance(pixels, TileFailure):
        raise SystemExit(pixels.reason)
    return pixels


def cells(values: NDArray[np.floating]) -> Values:
    """Return means over cells, (rows, columns); pixels that are nan do not count."""
    known = np.isfinite(values)
    sums, counts = (
        part.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL).sum(axis=(1, 3), dtype=np.float64)
        for part in (np.where(known, values, 0), known)
    )
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def regions() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the cells well inside the fault's square, and those well outside."""
    low, high = PLACE.y // CELL, (PLACE.y + PLACE.side) // CELL
    inside = np.zeros((SIDE // CELL,) * 2, np.bool_)
    near = inside.copy()
    inside[low + _AROUND : high - _AROUND, low + _AROUND : high - _AROUND] = True
    near[low - _AROUND : high + _AROUND, low - _AROUND : high + _AROUND] = True
    return inside, ~near


def raised(clean: Sequence[Judged], faulty: Sequence[Judged], layer: str) -> dict[str, float]:
    """Return how a layer inside a fault compares with the same cells clean, and with outside."""
    inside, outside = regions()
    before, within, beyond = (
        np.concatenate([one.layers[layer][where] for one in scenes])
        for scenes, where in ((clean, inside), (faulty, inside), (faulty, outside))
    )
    return {
        "ratio_to_clean": round(float(np.nanmean(within) / np.nanmean(before)), 2),
        "roc_to_clean": round(roc_area(within, before), 3),
        "roc_to_outside": round(roc_area(within, beyond), 3),
        "roc_to_outside_before": round(roc_area(before, beyond), 3),
    }


def squares(one: Scene, judged: Judged) -> Values:
    """Return squares with at least 25 % tumour: whether inside the fault, error, each layer."""
    side, rows = round(SQUARE_UM / MPP), []
    for y, x in np.ndindex(SIDE // side, SIDE // side):
        where = np.s_[y * side : (y + 1) * side, x * side : (x + 1) * side]
        tumour = one.tumour[where]
        if tumour.mean() < LEAST_TUMOUR:
            continue
        virtual, true = (
            float((dab[where][tumour] >= DEFAULT_DAB.threshold).mean())
            for dab in (judged.virtual, one.dab)
        )
        each = side // CELL
        small = np.s_[y * each : (y + 1) * each, x * each : (x + 1) * each]
        inside = PLACE.y <= y * side < PLACE.y + PLACE.side > x * side >= PLACE.x
        means = [float(np.nanmean(layer[small])) for layer in judged.layers.values()]
        rows.append([float(inside), abs(virtual - true), *means])
    return np.array(rows).reshape(-1, 2 + len(judged.layers))


def table(scenes: Sequence[Scene], judged: Sequence[Judged]) -> Values:
    """Return the squares of all scenes."""
    return np.concatenate([squares(*both) for both in zip(scenes, judged, strict=True)])


def inner_error(found: Values) -> float:
    """Return the mean error of squares inside the fault."""
    return round(float(found[found[:, 0] > 0, 1].mean()), 4)


def coverage(found: Values, layers: Sequence[str]) -> dict[str, Any]:
    """Return areas under risk–coverage curves; see the module."""
    errors = found[:, 1]
    orders = {"oracle": errors} | dict(zip(layers, found[:, 2:].T, strict=True))
    areas = {name: round(area_under(errors, order), 4) for name, order in orders.items()}
    return {
        "squares": len(errors),
        "random": round(float(errors.mean()), 4),
        **areas,
        "curves": {name: curve(errors, order) for name, order in orders.items()},
    }


def measure(seeds: Sequence[int], folder: Path) -> dict[str, Any]:
    """Return all tables over some phantoms."""
    clean = [scene(seed, folder) for seed in seeds]
    faulty = {fault: [spoiled(one, fault) for one in clean] for fault in FAULTS}
    judged = [judge(one) for one in clean]
    spoilt = {fault: [judge(one) for one in scenes] for fault, scenes in faulty.items()}
    layers = list(judged[0].layers)
    plain = table(clean, judged)
    tables = {fault: table(faulty[fault], spoilt[fault]) for fault in FAULTS}
    return {
        "seeds": list(seeds),
        "faults": {
            fault: {layer: raised(judged, spoilt[fault], layer) for layer in layers}
            for fault in FAULTS
        },
        "virtual_error": {"clean": inner_error(plain)}
        | {fault: inner_error(found) for fault, found in tables.items()},
        "coverage": {
            "clean": coverage(plain, layers),
            "spoiled": coverage(np.concatenate(list(tables.values())), layers),
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phantoms", type=int, default=4, help="phantoms to look at")
    parser.add_argument("--seeds", type=int, default=0, help="phantoms for the spread over seeds")
    parser.add_argument("--keep", type=Path, help="folder that keeps drawn phantoms")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    wanted = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = wanted.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(_SEEDS[: wanted.phantoms], folder) if wanted.phantoms else {}
        if wanted.seeds:
            found["spread_over_seeds"] = spread_over_seeds(_SEEDS[: wanted.seeds], folder)
    told = stamp("virtual-ihc/benchmark-trust/1", "benchmarks/trust.py") | found
    told["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(told) if wanted.json else json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
