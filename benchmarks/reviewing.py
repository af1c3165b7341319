"""Two linked panes panned while everything of a review is live; what `viewer.py --review` prints.

The left pane shows the H&E, live virtual tiles and the comparability map over them; the right one
the real IHC, read through an elastic registration. Slide, generator, views and rests are those of
`viewer.py`.

gap_p99_ratio      99th percentile gap of the Qt event loop (5 ms timer) while panning and resting
                   so, over that of the same pan in one pane with H&E alone; absolute gaps beside
..._moving         the same while the camera moves only: where a forward takes seconds, nearly all
                   of the walk is rest, and the ratio above compares rests in which tiles come with
                   rests in which nothing does
completed_views    share of resting views at whose end every virtual tile of the left pane and every
                   registered tile of the right one was there; a rest lasts 1.5 × what the view
                   needs of forward passes, resampled tiles and map tiles, each timed beforehand
completed_maps     the same with the map
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from panning import places, repeated_phantom, run_events
from texture import random_model
from walking import CACHE_BYTES, REST, PrepareOne, Walk, Words, gaps, open_on, settle_in

from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.registration.mapping import Field, Mapping
from napari_virtual_ihc.registration.registration import Registration, Section
from napari_virtual_ihc.registration.warp import warp
from napari_virtual_ihc.tiles.cache import tile_key
from napari_virtual_ihc.tiles.producer import TileAddress
from napari_virtual_ihc.tiles.view import tiles_in
from napari_virtual_ihc.translation.calibration import collect_statistics
from napari_virtual_ihc.widgets.aligned import Aligned
from napari_virtual_ihc.widgets.camera import set_magnification, visible_box
from napari_virtual_ihc.widgets.compare.controller import CompareController
from napari_virtual_ihc.widgets.layers import WARPED, heat_of, slide_layer
from napari_virtual_ihc.widgets.settle import wait_until_settled
from napari_virtual_ihc.widgets.views.solo import images

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari.components import ViewerModel
    from panning import Place

    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.pyramid import TilePyramid
    from napari_virtual_ihc.widgets.show import Shown

MAP = "comparability"
_SAMPLE = 512
_TIMED = 3
_BEND_UM, _WAVE_UM, _NODES = 12.0, 4000.0, 40
_TURN = 0.01


@dataclass
class Live:
    """A layer of a pane, and whose tiles it shows."""

    viewer: ViewerModel
    pyramid: TilePyramid
    seconds: float = 0.0

    def timed(self) -> Live:
        """Return the same with the seconds that one of its tiles takes, after a first one."""
        producer = self.pyramid.producer
        times = []
        for col in range(_TIMED + 1):
            start = time.perf_counter()
            address = TileAddress(0, 1, col + 1)
            producer.produce([address], preview=lambda *_: None, cancelled=lambda: False)
            times.append(time.perf_counter() - start)
        return replace(self, seconds=float(np.median(times[1:])))


class ReviewWalk(Walk):
    """A walk in two panes."""

    def __init__(self, shown: Shown, forward: float) -> None:
        super().__init__(shown, forward)
        self.maps: list[bool] = []
        self.live: list[Live] = []
        self.map: Live | None = None

    def rest(self) -> None:
        """Rest, and note what was there at the end."""
        needed = self.forward * self._forwards_needed(self.adapter())
        for live in (*self.live[1:], *([] if self.map is None else [self.map])):
            needed += live.seconds * self._lacks(live)
        run_events(REST * max(needed, self.forward))
        done = not any(self._lacks(live) for live in self.live)
        self.tally.completed.append(done)
        self.maps.append(done and self.map is not None and not self._lacks(self.map))

    def _lacks(self, live: Live) -> int:
        """Return how many tiles of the view are missing at level 0, which is on screen at 20×."""
        producer, cache = live.pyramid.producer, self.shown.session.services.cache
        view = tuple(side / producer.grid.mpp for side in visible_box(live.viewer))
        tiles = tiles_in(view, producer.grid, 0)
        return sum(cache.get_memory(tile_key(producer.key, tile)) is None for tile in tiles)


def measure_review(words: Words, home: Path) -> dict[str, Any]:
    """Return what two live panes cost; opens and closes a window."""
    settle_in(home)
    print("drawing the slides and measuring statistics", file=sys.stderr)
    slide = repeated_phantom(words.side, words.field)
    real = repeated_phantom(words.side, words.field, ihc=True)
    model = random_model(home / "models", ngf=words.ngf, blocks=words.blocks)
    measured = collect_statistics(model, repeated_phantom(_SAMPLE, _SAMPLE), cache=home)
    prepare = PrepareOne(model, measured)
    shown = open_on(slide, prepare)
    try:
        return _walk(words, shown, prepare, real)
    finally:
        shown.viewer.close()
        run_events(0.5)


def bent(fixed: Slide, moving: Slide) -> Registration:
    """Return a registration with a turn and a smooth field, so that every tile is resampled."""

    def waves(points: np.ndarray) -> np.ndarray:
        return _BEND_UM * np.sin(2 * np.pi * points[..., ::-1] / _WAVE_UM)

    cos, sin = np.cos(_TURN), np.sin(_TURN)
    affine = np.array([[cos, -sin, 5.0], [sin, cos, -3.0]])
    field = Field.sampled(waves, fixed.size_um, _NODES)
    return Registration(Mapping(affine, field), Section.of(fixed), Section.of(moving))


def _walk(words: Words, shown: Shown, prepare: PrepareOne, real: Slide) -> dict[str, Any]:
    translator = prepare.translator
    assert translator is not None
    block = translator.plan.group * translator.grid.tile
    set_magnification(shown.viewer, 20)
    height, width = shown.viewer.canvas.size
    free = max((block - max(height, width)) // 2, 0)
    path: Sequence[Place] = list(islice(places(words.side, block, free), words.gap_views))
    walker = ReviewWalk(shown, prepare.forward_seconds)
    print("panning with H&E alone", file=sys.stderr)
    shown.translate.translation.set_live(False)
    for layer in shown.session.viewer.layers[1:]:
        layer.visible = False
    run_events(1.0)
    alone, alone_moving = gaps(walker, path, lambda: run_events(REST * prepare.forward_seconds))
    lay_out(walker, real)
    print("panning two panes", file=sys.stderr)
    both, both_moving = gaps(walker, path, walker.rest)
    return {
        **stamp("virtual-ihc/benchmark/1", "benchmarks/viewer.py --review"),
        "gap_p99_ratio": both["p99_ms"] / alone["p99_ms"],
        "gap_p99_ratio_moving": both_moving["p99_ms"] / alone_moving["p99_ms"],
        "completed_views": float(np.mean(walker.tally.completed)),
        "completed_maps": float(np.mean(walker.maps)),
        "gaps_he_alone": alone,
        "gaps_review": both,
        "gaps_he_alone_moving": alone_moving,
        "gaps_review_moving": both_moving,
        "forward_seconds": prepare.forward_seconds,
        "registered_tile_seconds": walker.live[1].seconds,
        "map_tile_seconds": 0.0 if walker.map is None else walker.map.seconds,
        "runs_on": translator.runs_on,
        "rested_views": len(walker.tally.completed),
        "view_px": [list(map(int, one.canvas.size)) for one in _viewers(shown)],
        "block_px": block,
        "map": MAP,
        "slide": f"{words.side} px, a phantom field of {words.field} px repeated",
        "cache_memory_mb": CACHE_BYTES / 1e6,
        "generator": f"resnet, {words.blocks} blocks, ngf {words.ngf}",
        "load_average": os.getloadavg(),
    }


def lay_out(walker: ReviewWalk, real: Slide) -> None:
    """Register the real slide, switch the map on, and show the two panes."""
    from napari.layers import Image

    shown = walker.shown
    session, viewer = shown.session, shown.session.viewer
    fixed = session.chosen
    assert fixed is not None
    data, arguments, _ = slide_layer(real)
    viewer.add_layer(Image(data, **arguments, visible=False))
    moving = session.slides()[-1]
    warped = warp(bent(fixed.slide, real), real)
    data, arguments, _ = slide_layer(warped)
    arguments["metadata"] = {**arguments["metadata"], WARPED: real.fingerprint}
    registered = Image(data, **arguments)
    viewer.add_layer(registered)
    session.align(Aligned(bent(fixed.slide, real), fixed, moving, warped))
    (compare,) = (page for page in shown.dock.pages if isinstance(page, CompareController))
    compare.map.choose(MAP)
    shown.translate.translation.set_live(True)
    for layer in viewer.layers:
        layer.visible = layer is not registered and layer is not moving.layer()
    _wait(lambda: any(heat_of(layer) is not None for layer in viewer.layers))
    _wait(lambda: session.adapter_of(registered) is not None)
    session.panes.arrange(2)
    (pane,) = session.panes.all()
    session.panes.show(pane, registered)
    session.panes.show_own(None)
    (heat,) = (layer for layer in images(viewer) if heat_of(layer) is not None)
    walker.map = Live(viewer, _pyramid(shown, heat)).timed()
    right = session.connections.all(pane.viewer)[-1].pyramid
    walker.live = [Live(viewer, walker.adapter().pyramid), Live(pane.viewer, right).timed()]
    wait_until_settled(session, 600)


def _pyramid(shown: Shown, layer: object) -> TilePyramid:
    adapter = shown.session.adapter_of(layer)  # type: ignore[arg-type]
    assert adapter is not None
    return adapter.pyramid


def _viewers(shown: Shown) -> list[ViewerModel]:
    panes = (pane.viewer for pane in shown.session.panes.all())
    return [shown.session.viewer, *panes]


def _wait(condition: Any, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("Map or registered slide never came.")
        run_events(0.05)
