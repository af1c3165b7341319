"""How the window feels while a model translates under it; prints one JSON object.

A napari window of 20× views pans over a 100 000 px slide made of a phantom field, each view in
one jointly computed block, and rests at each for 1.5 × the forward passes it needs. The generator
is the antialiased 9-block ResNet, ngf 64, random weights; the tile cache is bounded to 256 MB.

gap_p99_ratio      99th percentile gap of the Qt event loop (5 ms timer) while panning and resting
                   with the model, over that of the same pan with H&E alone; absolute gaps beside
..._moving         the same while the camera moves only
completed_views    share of resting views whose every tile was there at the end of the rest
first_tile_ratio   median time from the camera's rest to the first virtual tile drawn, over one
                   forward of the shape actually run
memory_growth_mb   resident memory after all views (300) less that after 30

Resting at all 300 views takes hours where a forward takes ten seconds. So as many views as
--minutes allows, spread evenly, are rested at in full (`rested_views`; all of them where
--minutes 0); at the others the camera stops for a quarter of a second, and their tiles are asked
for and dropped. With --review two linked panes are panned instead; see `reviewing`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from panning import Place, pan_to, places, repeated_phantom, resident_mb, run_events
from reviewing import measure_review
from texture import random_model
from walking import (
    CACHE_BYTES,
    REST,
    PrepareOne,
    Walk,
    Words,
    gaps,
    home_at,
    open_on,
    settle_in,
)

from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.translation.calibration import collect_statistics
from napari_virtual_ihc.widgets.camera import set_magnification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_virtual_ihc.widgets.show import Shown

BRIEF = 0.25
FIRST_MEMORY = 30
_SAMPLE = 512


def measure(words: Words, home: Path) -> dict[str, Any]:
    settle_in(home)
    print("drawing the slide and measuring statistics", file=sys.stderr)
    slide = repeated_phantom(words.side, words.field)
    model = random_model(home / "models", ngf=words.ngf, blocks=words.blocks)
    measured = collect_statistics(model, repeated_phantom(_SAMPLE, _SAMPLE), cache=home)
    prepare = PrepareOne(model, measured)
    shown = open_on(slide, prepare)
    try:
        return walk(words, shown, prepare)
    finally:
        shown.viewer.close()
        run_events(0.5)


def walk(words: Words, shown: Shown, prepare: PrepareOne) -> dict[str, Any]:
    translator = prepare.translator
    assert translator is not None
    block = translator.plan.group * translator.grid.tile
    set_magnification(shown.viewer, 20)
    height, width = shown.viewer.canvas.size
    free = (block - max(height, width)) // 2
    if free < 0:
        raise SystemExit(f"A view of {height} × {width} px does not fit a block of {block} px.")
    path = list(islice(places(words.side, block, free), words.views + words.gap_views))
    forward = prepare.forward_seconds
    walker = Walk(shown, forward)
    alone, alone_moving = gaps_alone(walker, path[: words.gap_views], REST * forward)
    both, both_moving = gaps_with_model(walker, path[: words.gap_views])
    memory = remember(walker, path[words.gap_views :], words)
    return {
        **stamp("virtual-ihc/benchmark/1", "benchmarks/viewer.py"),
        "gap_p99_ratio": both["p99_ms"] / alone["p99_ms"],
        "gap_p99_ratio_moving": both_moving["p99_ms"] / alone_moving["p99_ms"],
        "completed_views": float(np.mean(walker.tally.completed)),
        "first_tile_ratio": float(np.median(walker.tally.first_tiles)) / forward,
        **memory,
        "gaps_he_alone": alone,
        "gaps_with_model": both,
        "gaps_he_alone_moving": alone_moving,
        "gaps_with_model_moving": both_moving,
        "forward_seconds": forward,
        "runs_on": translator.runs_on,
        "rested_views": len(walker.tally.completed),
        "view_px": [int(height), int(width)],
        "block_px": block,
        "slide": f"{words.side} px, a phantom field of {words.field} px repeated",
        "cache_memory_mb": CACHE_BYTES / 1e6,
        "generator": f"resnet, {words.blocks} blocks, ngf {words.ngf}",
        "threads": threading.active_count(),
    }


def gaps_alone(walker: Walk, path: Sequence[Place], rest: float) -> tuple[dict[str, float], ...]:
    print("panning with H&E alone", file=sys.stderr)
    walker.shown.translate.translation.set_live(False)
    for layer in walker.shown.session.viewer.layers[1:]:
        layer.visible = False
    run_events(1.0)

    return gaps(walker, path, lambda: run_events(rest))


def gaps_with_model(walker: Walk, path: Sequence[Place]) -> tuple[dict[str, float], ...]:
    print("panning with the model", file=sys.stderr)
    for layer in walker.shown.session.viewer.layers:
        layer.visible = True
    walker.shown.translate.translation.set_live(True)
    walker.shown.session.services.cache.clear()
    run_events(1.0)
    return gaps(walker, path, walker.rest)


def remember(walker: Walk, path: Sequence[Place], words: Words) -> dict[str, Any]:
    """Visit every view, rest at as many as time allows, and return what memory did."""
    print(f"visiting {len(path)} views", file=sys.stderr)
    affordable = words.minutes * 60 / max(REST * walker.forward, 1e-3)
    every = 1 if words.minutes == 0 else max(round(len(path) / max(affordable, 1)), 1)
    first, start = 0.0, min(FIRST_MEMORY, len(path) // 2)
    for number, place in enumerate(path, start=1):
        pan_to(walker.shown.viewer, place)
        if number % every == 0:
            walker.rest()
        else:
            run_events(BRIEF)
        if number == start:
            first = resident_mb()
    last = resident_mb()
    return {
        "memory_growth_mb": last - first,
        "memory_first_mb": first,
        "memory_last_mb": last,
        "views": len(path),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--views", type=int, default=300)
    parser.add_argument("--gap-views", type=int, default=12, help="views the gaps are taken over")
    parser.add_argument("--minutes", type=float, default=8.0, help="for full rests; 0 rests at all")
    parser.add_argument("--review", action="store_true", help="two panes, registration and map")
    parser.add_argument("--quick", action="store_true", help="a small generator and few views")
    options = parser.parse_args()
    words = Words(options.views, options.gap_views, options.minutes, 100_000, 2048, 64, 9)
    if options.quick:
        words = Words(36, 5, 0.5, 100_000, 1024, 16, 4)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with home_at(home):
            result = (measure_review if options.review else measure)(words, home)
    print(json.dumps(result) if options.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
