"""How the window feels while a model translates under it; prints one JSON object.

A napari window of 20× views pans over a 100 000 px slide made of a phantom field, each view in
one jointly computed block, and rests at each for 1.5 × the forward passes it needs. The generator
is the antialiased 9-block ResNet, ngf 64, random weights; the tile cache is bounded to 256 MB.

gap_p99_ratio      99th percentile gap of the Qt event loop (5 ms timer) while panning and resting
                   with the model, over that of the same pan with H&E alone; absolute gaps beside
completed_views    share of resting views whose every tile was there at the end of the rest
first_tile_ratio   median time from the camera's rest to the first virtual tile drawn, over one
                   forward of the shape actually run
memory_growth_mb   resident memory after all views (300) less that after 30

Resting at all 300 views takes hours where a forward takes ten seconds. So as many views as
--minutes allows, spread evenly, are rested at in full (`rested_views`; all of them where
--minutes 0); at the others the camera stops for a quarter of a second, and their tiles are asked
for and dropped.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from panning import (
    MPP,
    Heartbeat,
    Paints,
    Place,
    pan_to,
    places,
    repeated_phantom,
    resident_mb,
    run_events,
)
from texture import random_model

from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.settings import Settings, save_settings
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.view import tiles_in
from napari_virtual_ihc.translation.calibration import collect_statistics
from napari_virtual_ihc.translation.translator import Translator
from napari_virtual_ihc.widgets.camera import look_at, set_magnification, visible_box
from napari_virtual_ihc.widgets.prepare import Prepared
from napari_virtual_ihc.widgets.settle import wait_until_settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.adapter import LayerAdapter
    from napari_virtual_ihc.widgets.prepare import Choices
    from napari_virtual_ihc.widgets.show import Shown
    from napari_virtual_ihc.widgets.work import Progress

REST = 1.5
BRIEF = 0.25
FIRST_MEMORY = 30
CACHE_BYTES = 256_000_000
_SAMPLE = 512
WINDOW_PX = (1340, 740)


@dataclass(frozen=True)
class Words:
    """What was asked for."""

    views: int
    gap_views: int
    minutes: float
    side: int
    field: int
    ngf: int
    blocks: int


@dataclass
class Tally:
    """What came of the resting views."""

    completed: list[bool] = field(default_factory=list)
    first_tiles: list[float] = field(default_factory=list)


class PrepareOne:
    """Prepares one translator with statistics measured before, and times its forward."""

    def __init__(self, model: Model, measured: Any) -> None:
        self._model, self._measured = model, measured
        self.translator: Translator | None = None
        self.forward_seconds = 0.0

    def __call__(self, slide: Slide, model: str, choices: Choices, progress: Progress) -> Prepared:
        """See `Prepare`."""
        translator = Translator(self._model, slide, measured=self._measured)
        translator.prepare()
        blocks = translator.plan.all_blocks()
        times = [_timed(translator, tiles) for tiles in islice(blocks, 5, 8)]
        self.forward_seconds = float(np.median(times[1:]))
        self.translator = translator
        return Prepared(translator, self._model.card, translator.runs_on)


def _timed(translator: Translator, tiles: Any) -> float:
    loaded = translator.load(tiles)
    start = time.perf_counter()
    translator.compute(loaded)
    return time.perf_counter() - start


class Walk:
    """One window walking over one slide."""

    def __init__(self, shown: Shown, forward: float) -> None:
        self.shown, self.forward = shown, forward
        self.paints = Paints(shown.session.canvas.overview.parentWidget())
        self.tally = Tally()

    def adapter(self) -> LayerAdapter:
        """Return what connects the virtual layer to its tiles."""
        current = self.shown.translate.translation.shown
        assert current is not None
        return current.adapter

    def rest(self) -> None:
        """Rest for as long as is promised, and note what was seen when."""
        rested, adapter = time.perf_counter(), self.adapter()
        seconds = REST * self.forward * self._forwards_needed(adapter)
        seen = self._wait_for_first_tile(adapter, seconds)
        if seen is not None:
            self.tally.first_tiles.append(seen - rested)
        run_events(rested + seconds - time.perf_counter())
        self.tally.completed.append(not self._missing(adapter))

    def _tiles(self, adapter: LayerAdapter) -> list[Any]:
        view = tuple(side / MPP for side in visible_box(self.shown.viewer))
        return list(tiles_in(view, adapter.pyramid.producer.grid, 0))

    def _forwards_needed(self, adapter: LayerAdapter) -> int:
        group = adapter.pyramid.producer.group
        return len({tuple(group(address)) for address in self._missing(adapter)})

    def _missing(self, adapter: LayerAdapter) -> list[Any]:
        cache, key = self.shown.session.services.cache, adapter.pyramid.producer.key
        tiles = self._tiles(adapter)
        return [tile for tile in tiles if cache.get_memory(tile_key(key, tile)) is None]

    def _wait_for_first_tile(self, adapter: LayerAdapter, seconds: float) -> float | None:
        total = len(self._tiles(adapter))
        refreshed: list[float] = []

        def note() -> None:
            if not refreshed and len(self._missing(adapter)) < total:
                refreshed.append(time.perf_counter())

        adapter.refreshed.connect(note)
        run_events(seconds, lambda: bool(refreshed) and self.paints.last > refreshed[0])
        adapter.refreshed.disconnect(note)
        return self.paints.last if refreshed and self.paints.last > refreshed[0] else None


def measure(words: Words, home: Path) -> dict[str, Any]:
    settings = Settings(
        cache_dir=home / "cache",
        cache_memory_bytes=CACHE_BYTES,
        cache_disk_bytes=0,
        library_dirs=(home / "models",),
    )
    save_settings(settings)
    print("drawing the slide and measuring statistics", file=sys.stderr)
    slide = repeated_phantom(words.side, words.field)
    (home / "models").mkdir()
    model = random_model(home / "models", ngf=words.ngf, blocks=words.blocks)
    measured = collect_statistics(model, repeated_phantom(_SAMPLE, _SAMPLE), cache=home)
    prepare = PrepareOne(model, measured)
    shown = open_on(slide, prepare)
    try:
        return walk(words, shown, prepare)
    finally:
        shown.viewer.close()
        run_events(0.5)


def open_on(slide: Slide, prepare: PrepareOne) -> Shown:
    """Open the window at 20×, prepare the model and let it rest there without being live."""
    from napari_virtual_ihc.widgets import show, translate

    translate.PrepareTranslator = lambda _library: prepare  # type: ignore[assignment,misc]
    shown = show.open_window([slide])
    shown.viewer.window.resize(*WINDOW_PX)
    look_at(shown.viewer, 600.0, 600.0, 20)
    if not wait_until_settled(shown.session, 1800):
        raise SystemExit("The first view was never complete.")
    return shown


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


def gaps(
    walker: Walk, path: Sequence[Place], rest: Callable[[], object]
) -> tuple[dict[str, float], ...]:
    """Return the gaps of a walk: of all of it, and of its moving parts."""
    beat = Heartbeat()
    everything, moving = [], []
    for place in path:
        beat.start()
        pan_to(walker.shown.viewer, place)
        moving.append(beat.stop())
        beat.start()
        rest()
        everything += [moving[-1], beat.stop()]
    return summary(np.concatenate(everything)), summary(np.concatenate(moving))


def summary(gaps_ms: np.ndarray) -> dict[str, float]:
    return {
        "p50_ms": float(np.percentile(gaps_ms, 50)),
        "p99_ms": float(np.percentile(gaps_ms, 99)),
        "worst_ms": float(gaps_ms.max()),
        "ticks": float(len(gaps_ms)),
    }


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
    parser.add_argument("--quick", action="store_true", help="a small generator and few views")
    options = parser.parse_args()
    words = Words(options.views, options.gap_views, options.minutes, 100_000, 2048, 64, 9)
    if options.quick:
        words = Words(36, 5, 0.5, 100_000, 1024, 16, 4)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with _home(home):
            result = measure(words, home)
    print(json.dumps(result) if options.json else json.dumps(result, indent=1))


def _home(folder: Path) -> Any:
    from unittest.mock import patch

    return patch.dict("os.environ", {"VIRTUAL_IHC_HOME": str(folder)})


if __name__ == "__main__":
    main()
