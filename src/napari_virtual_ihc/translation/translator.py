"""A model on a slide: virtual tiles whose bytes depend on slide, model and settings alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.tiles.producer import TileFailure
from napari_virtual_ihc.translation.calibration import (
    Statistics,
    collect_statistics,
    ignore,
    measured_on,
    never,
)
from napari_virtual_ihc.translation.forwards import Forwards
from napari_virtual_ihc.translation.identity import (
    Settings,
    key_of,
    provenance_of,
    settings_of,
)
from napari_virtual_ihc.translation.loading import BlockLoader
from napari_virtual_ihc.translation.plan import facts_of, grid_of, mode_of, plan_of, scale_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress
    from napari_virtual_ihc.translation.backends.choose import Choice
    from napari_virtual_ihc.translation.backends.runners import NetworkRunner
    from napari_virtual_ihc.translation.loading import Loaded

_NO_TISSUE = "No tissue was found on this slide to take the model's statistics from."


class Translator:
    """Makes the virtual tiles of one slide with one model; a `TileProducer`.

    Making it is quick; `prepare` measures the slide's statistics and builds the network, and is
    called by whatever needs them first. Use it from one thread at a time, except `load`.

    Parameters
    ----------
    model
        A verified model of kind ``generator``.
    slide
        With a known scale.
    device, backend, precision
        See `backends.choose`.
    statistics
        ``slide`` (frozen, for all tiles the same), ``tile`` (each tile's own, as papers test) or
        ``dense`` (interpolated between tiles); without effect for networks without instance norms
        and for models in reference test mode.
    tile
        Side of a tile in px of the model's grid.
    cache
        Folder where statistics are kept; that of the settings where None.
    measured
        Statistics measured before, taken instead of measuring them.
    notify
        Told each notice as it comes; all are in `notices`.

    Raises
    ------
    MissingScaleError, ModelError, UsageError
        If slide, model or a word does not do.
    """

    batch = 1
    levels = 1

    def __init__(
        self, model: Model, slide: Slide, *, device: str = "auto", backend: str = "auto",
        precision: str = "auto", statistics: str = "slide", tile: int = 512,
        cache: Path | None = None, measured: Statistics | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        from napari_virtual_ihc.translation.backends.choose import choose

        self.model, self.slide = model, slide
        self.facts = facts_of(model.card)
        self.mode = mode_of(statistics, self.facts)
        folded = self.mode in ("slide", "none")
        self.choice = choose(
            device, backend, precision, folded=folded, foldable=self.facts.foldable
        )
        self.grid = grid_of(slide, model.card, tile)
        self.plan = plan_of(
            self.grid, self.facts, self.mode, self.choice.device, self.choice.backend
        )
        whole = self.mode == "tile" or not self.facts.exact
        self.loader = BlockLoader(slide, self.plan, model.card.background, whole=whole)
        self.notes = scale_notes(slide, model.card) + slide.notes
        self.notices: list[str] = []
        self._tell = notify
        self._cache = load_settings().cache_dir if cache is None else cache
        self._lock = threading.Lock()
        self._ready: _Ready | None = None
        self._measured = measured

    @property
    def label(self) -> str:
        """Marker and model, for progress and error texts."""
        return f"{self.model.card.marker} by {self.model.card.name}"

    @property
    def runs_on(self) -> str:
        """Device, backend and precision, such as ``cpu · openvino · fp32``."""
        return f"{self.choice.device} · {self.choice.backend} · {self.choice.precision}"

    @property
    def key(self) -> str:
        """Hash of everything the bytes depend on; prepares where that has not been done."""
        return self._prepared().key

    @property
    def settings(self) -> Settings:
        """Settings in effect; prepares where that has not been done."""
        return self._prepared().settings

    @property
    def statistics(self) -> Statistics | None:
        """The slide's statistics, None where the mode has none; prepares if need be."""
        return self._prepared().statistics

    @property
    def forwards(self) -> Forwards:
        """What runs windows through the network; prepares where that has not been done."""
        return self._prepared().forwards

    @property
    def persist(self) -> bool:
        """Whether tiles may be kept on disk: not those that memory ran out for and changed."""
        return self._ready is None or self._ready.forwards.faithful

    def prepare(
        self, progress: Callable[[int, int], None] = ignore,
        cancelled: Callable[[], bool] = never,
    ) -> None:  # fmt: skip
        """Measure the slide's statistics and build the network, unless that is done.

        Parameters
        ----------
        progress
            Called with steps done and steps in all.
        cancelled
            Asked between steps.

        Raises
        ------
        Cancelled
            If ``cancelled`` said so; it can be called again.
        """
        with self._lock:
            if self._ready is not None:
                return
            found = self._collect(progress, cancelled)
            runner = self._runner(self.choice, found)
            forwards = Forwards(
                runner, self._fallback(found), margin=self.plan.margin, side=self.grid.tile,
                step=self.facts.stride, notify=self._notice,
            )  # fmt: skip
            settings = settings_of(runner.backend, self.mode, self.plan)
            key = key_of(self.model, self.slide, self.grid.mpp, settings, found)
            self._ready = _Ready(found, forwards, settings, key)

    def group(self, address: TileAddress) -> Sequence[TileAddress]:
        """Return the slide-anchored block of tiles that one forward gives."""
        return self.plan.members(address)

    def produce(
        self, addresses: Sequence[TileAddress], *,
        preview: Callable[[TileAddress, Pixels], None], cancelled: Callable[[], bool],
    ) -> dict[TileAddress, Pixels | TileFailure]:  # fmt: skip
        """Return the blocks of ``addresses``, whole; see `TileProducer.produce`."""
        self.prepare(cancelled=cancelled)
        made: dict[TileAddress, Pixels | TileFailure] = {}
        for tiles in self.plan.blocks(addresses):
            if cancelled():
                raise Cancelled
            made |= self.compute(self.load(tiles), cancelled)
        return made

    def load(self, tiles: Sequence[TileAddress]) -> Loaded:
        """Read one block; may run on another thread than `compute`."""
        return self.loader.load(tiles)

    def compute(
        self, loaded: Loaded, cancelled: Callable[[], bool] = never
    ) -> dict[TileAddress, Pixels | TileFailure]:
        """Return the tiles of a block that was read.

        Raises
        ------
        Cancelled
            If ``cancelled`` said so.
        MemoryError
            If not even the smallest forward fits.
        """
        if loaded.core is None:
            return dict(loaded.done)
        ready = self._prepared()
        if ready.statistics is not None and not ready.statistics.windows:
            return loaded.done | dict.fromkeys(loaded.live, TileFailure(_NO_TISSUE))
        image = ready.forwards.run(loaded.pixels, loaded.core, cancelled)
        return loaded.done | self.loader.finish(loaded, image)

    def provenance(self) -> dict[str, Any]:
        """Return JSON values that say what the pixels are and how to make them again.

        No file names: slide and model are named by hashes and the card's name.
        """
        ready = self._prepared()
        return provenance_of(
            self.model, self.slide, self.grid.mpp, ready.settings, ready.statistics, ready.key
        )

    def _prepared(self) -> _Ready:
        self.prepare()
        assert self._ready is not None
        return self._ready

    def _collect(
        self, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
    ) -> Statistics | None:
        if self.mode not in ("slide", "dense"):
            return None
        if self._measured is not None:
            return self._measured
        return collect_statistics(
            self.model, self.slide, cache=self._cache, device=measured_on(self.choice.device),
            progress=progress, cancelled=cancelled, notify=self._notice,
        )  # fmt: skip

    def _runner(self, choice: Choice, found: Statistics | None) -> NetworkRunner:
        from napari_virtual_ihc.translation.backends import runners

        margin = self.plan.margin
        if self.mode == "reference":
            return runners.tested_runner(self.model, choice, margin)
        if self.mode == "tile":
            return runners.live_runner(self.model, choice)
        if self.mode == "dense":
            assert found is not None
            shape = self.grid.rows, self.grid.cols
            read = self.loader.tile_alone
            return runners.dense_runner(
                self.model, found, choice, margin, read, shape, self.grid.tile
            )
        if found is not None and not found.windows:
            return runners.live_runner(self.model, choice)
        if not self.facts.foldable:
            return runners.frozen_runner(self.model, found, choice, margin)
        return runners.folded_runner(self.model, found, choice, margin, exact=self.facts.exact)

    def _fallback(self, found: Statistics | None) -> Callable[[], NetworkRunner] | None:
        if self.choice.device == "cpu":
            return None
        from napari_virtual_ihc.translation.backends.choose import Choice

        return lambda: self._runner(Choice("cpu", "torch", "fp32"), found)

    def _notice(self, sentence: str) -> None:
        if sentence in self.notices:
            return
        self.notices.append(sentence)
        if self._tell is not None:
            self._tell(sentence)


@dataclass(frozen=True)
class _Ready:
    statistics: Statistics | None
    forwards: Forwards
    settings: Settings
    key: str
