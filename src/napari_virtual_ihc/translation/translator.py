"""A model on a slide: virtual tiles whose bytes depend on slide, model and settings alone."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc import __version__
from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.files import hash_of
from napari_virtual_ihc.provenance import RESEARCH_USE_ONLY
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.stains.tissue import MASK_VERSION
from napari_virtual_ihc.tiles.producer import TileFailure
from napari_virtual_ihc.translation.calibration import (
    Statistics,
    collect_statistics,
    ignore,
    never,
)
from napari_virtual_ihc.translation.forwards import Forwards
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

ALGORITHM = "translation/1"
_NO_TISSUE = "No tissue was found on this slide to take the model's statistics from."


@dataclass(frozen=True)
class Settings:
    """How tiles are made, everything ``auto`` decided; all of it is in the key.

    Attributes
    ----------
    engine
        Backend and its version.
    device_kind
        What byte identity is promised for.
    group
        Tiles per side of a joined forward.
    """

    device: str
    backend: str
    precision: str
    statistics: str
    tile: int
    group: int
    margin: int
    engine: str
    device_kind: str


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
        ``dense`` (interpolated between tiles); without effect for networks without instance norms.
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
        self.choice = choose(device, backend, precision, folded=self.mode in ("slide", "none"))
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
            settings = self._settings(runner)
            self._ready = _Ready(found, forwards, settings, self._key(settings, found))

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
        ready, card = self._prepared(), self.model.card
        found = ready.statistics
        return {
            "virtual": True,
            "use": RESEARCH_USE_ONLY,
            "software": f"napari-virtual-ihc {__version__}",
            "model": {
                "name": card.name, "marker": card.marker, "method": card.method,
                "weights": self.model.weights_hash, "tiling": card.tiling,
            },
            "slide": {"fingerprint": self.slide.fingerprint, "mpp": self.slide.require_mpp()},
            "mpp": self.grid.mpp,
            "settings": asdict(ready.settings),
            "statistics": None if found is None else {"hash": found.hash, "windows": found.windows},
            "colours": "raw RGB as decoded; no ICC profile applied",
            "mask": MASK_VERSION,
            "algorithm": ALGORITHM,
            "key": ready.key,
        }  # fmt: skip

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
            self.model, self.slide, cache=self._cache, device=self.choice.device,
            progress=progress, cancelled=cancelled, notify=self._notice,
        )  # fmt: skip

    def _runner(self, choice: Choice, found: Statistics | None) -> NetworkRunner:
        from napari_virtual_ihc.translation.backends import runners

        margin = self.plan.margin
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
        return runners.folded_runner(self.model, found, choice, margin, exact=self.facts.exact)

    def _fallback(self, found: Statistics | None) -> Callable[[], NetworkRunner] | None:
        if self.choice.device == "cpu":
            return None
        from napari_virtual_ihc.translation.backends.choose import Choice

        return lambda: self._runner(Choice("cpu", "torch", "fp32"), found)

    def _settings(self, runner: NetworkRunner) -> Settings:
        backend, plan = runner.backend, self.plan
        return Settings(
            backend.device, backend.name, backend.precision, self.mode, self.grid.tile,
            plan.group, plan.margin, f"{backend.name} {backend.version}", backend.device_kind,
        )  # fmt: skip

    def _key(self, settings: Settings, found: Statistics | None) -> str:
        slide = [self.slide.fingerprint, self.slide.require_mpp()]
        model = [self.model.weights_hash, self.grid.mpp, list(self.model.card.background)]
        measured = None if found is None else found.hash
        return hash_of(ALGORITHM, MASK_VERSION, slide, model, measured, asdict(settings))

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
