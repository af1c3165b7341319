"""One window walking over one slide, resting at views, and what is counted on the way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from panning import MPP, Heartbeat, Paints, Place, pan_to, run_events

from napari_virtual_ihc.settings import Settings, save_settings
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.view import tiles_in
from napari_virtual_ihc.translation.translator import Translator
from napari_virtual_ihc.widgets.camera import look_at, visible_box
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.translate.prepare import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.widgets.adapter import LayerAdapter
    from napari_virtual_ihc.widgets.show import Shown
    from napari_virtual_ihc.widgets.translate.prepare import Choices
    from napari_virtual_ihc.widgets.work import Progress

REST = 1.5
CACHE_BYTES = 256_000_000
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


def open_on(slide: Slide, prepare: PrepareOne) -> Shown:
    """Open the window at 20×, prepare the model and let it rest there without being live."""
    from napari_virtual_ihc.widgets import show
    from napari_virtual_ihc.widgets.translate import controller as translate

    translate.PrepareTranslator = lambda _library: prepare  # type: ignore[assignment,misc]
    shown = show.open_window([slide])
    shown.viewer.window.resize(*WINDOW_PX)
    look_at(shown.viewer, 600.0, 600.0, 20)
    if not wait_until_settled(shown.session, 1800):
        raise SystemExit("The first view was never complete.")
    return shown


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


def settle_in(home: Path) -> None:
    """Keep cache and models in ``home``."""
    save_settings(
        Settings(
            cache_dir=home / "cache",
            cache_memory_bytes=CACHE_BYTES,
            cache_disk_bytes=0,
            library_dirs=(home / "models",),
        )
    )
    (home / "models").mkdir()


def home_at(folder: Path) -> Any:
    from unittest.mock import patch

    return patch.dict("os.environ", {"VIRTUAL_IHC_HOME": str(folder)})
