"""A model on a slide: virtual tiles whose bytes depend on slide, model and settings alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.settings import load_settings
from napari_virtual_ihc.tiles.producer import TileFailure, never, unseen
from napari_virtual_ihc.tiles.unfinished import marked_unfinished
from napari_virtual_ihc.translation.calibration import ignore
from napari_virtual_ihc.translation.identity import provenance_of
from napari_virtual_ihc.translation.loading import BlockLoader
from napari_virtual_ihc.translation.makers import Makers, Stepwise
from napari_virtual_ihc.translation.plan import facts_of, grid_of, mode_of, plan_of, scale_notes
from napari_virtual_ihc.translation.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.networks.miu_diff import MiuDiffNetworks
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.producer import Pixels, TileAddress
    from napari_virtual_ihc.translation.calibration import Statistics
    from napari_virtual_ihc.translation.identity import Settings
    from napari_virtual_ihc.translation.loading import Loaded
    from napari_virtual_ihc.translation.makers import Maker, Ready

_NO_TISSUE = "No tissue was found on this slide to take the model's statistics from."


class Translator:
    """Makes the virtual tiles of one slide with one model; a `TileProducer`.

    Making it is quick; `prepare` measures the slide's statistics and builds the network, and is
    called by whatever needs them first. Use it from one thread at a time, except `load`.

    Parameters
    ----------
    model
        A verified model of kind ``generator`` or ``diffusion``.
    slide
        With a known scale.
    device, backend, precision
        See `backends.choose`.
    statistics
        ``slide`` (frozen, for all tiles the same), ``tile`` (each tile's own, as papers test) or
        ``dense`` (interpolated between tiles); without effect for networks without instance norms
        and for models in reference test mode.
    tile
        Side of a tile in px of the model's grid; None for 512, or 256 where it takes many steps.
    sampling
        How a diffusion is sampled; as its card says where None.
    cache
        Folder where statistics are kept; that of the settings where None.
    measured
        Statistics measured before, taken instead of measuring them.
    networks
        A diffusion's, from the `networks` of another translator of the model and device.
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
        precision: str = "auto", statistics: str = "slide", tile: int | None = None,
        sampling: Sampling | None = None, cache: Path | None = None,
        measured: Statistics | None = None, networks: MiuDiffNetworks | None = None,
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
        self.sampling = sampling or Sampling()
        self.recipe = self.sampling.recipe(model.card) if self.facts.sampled else None
        self.grid = grid_of(slide, model.card, tile or self.facts.tile)
        self.plan = plan_of(
            self.grid, self.facts, self.mode, self.choice.device, self.choice.backend
        )
        whole = self.mode == "tile" or not self.facts.exact
        self.loader = BlockLoader(slide, self.plan, model.card.background, whole=whole)
        self.notes = scale_notes(slide, model.card) + slide.notes
        self.notices: list[str] = []
        self._tell = notify
        self._lock = threading.Lock()
        self._ready: Ready | None = None
        self._makers = Makers(
            model, slide, self.choice, self.facts, self.mode, self.plan, self.loader,
            self.sampling, self.recipe, cache or load_settings().cache_dir, measured, networks,
            self._notice,
        )  # fmt: skip

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
    def forwards(self) -> Maker:
        """What runs windows through the network; prepares where that has not been done."""
        return self._prepared().forwards

    @property
    def persist(self) -> bool:
        """Whether tiles may be kept on disk: not those that memory ran out for and changed."""
        return self._ready is None or self._ready.forwards.faithful

    def steps(self) -> tuple[int, int] | None:
        """Return steps done of the window being made and in all; None where one pass makes it."""
        maker = None if self._ready is None else self._ready.forwards
        return maker.steps if isinstance(maker, Stepwise) else None

    def sampled(self) -> dict[str, Any] | None:
        """Return how a diffusion is sampled: sampler, steps, seed; None for other models."""
        if self.recipe is None:
            return None
        named = {"sampler": self.sampling.name, "steps": self.recipe.steps}
        return named | {"seed": self.sampling.seed}

    @property
    def networks(self) -> MiuDiffNetworks | None:
        """A diffusion's networks, for other translators; prepares if need be."""
        maker = self._prepared().forwards
        return maker.networks if isinstance(maker, Stepwise) else None

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
            self._ready = self._makers.ready(progress, cancelled)

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
            made |= self.compute(self.load(tiles), cancelled, preview)
        return made

    def load(self, tiles: Sequence[TileAddress]) -> Loaded:
        """Read one block; may run on another thread than `compute`."""
        return self.loader.load(tiles)

    def compute(
        self, loaded: Loaded, cancelled: Callable[[], bool] = never,
        preview: Callable[[TileAddress, Pixels], None] = unseen,
    ) -> dict[TileAddress, Pixels | TileFailure]:  # fmt: skip
        """Return the tiles of a block that was read.

        Parameters
        ----------
        preview
            Told unfinished tiles, where tiles take many steps.

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

        def show(image: Pixels) -> None:
            for address, tile in self.loader.finish(loaded, image).items():
                preview(address, marked_unfinished(tile))

        image = ready.forwards.run(loaded.pixels, loaded.core, cancelled, show)
        return loaded.done | self.loader.finish(loaded, image)

    def provenance(self) -> dict[str, Any]:
        """Return JSON values that say what the pixels are and how to make them again.

        No file names: slide and model are named by hashes and the card's name.
        """
        ready = self._prepared()
        return provenance_of(
            self.model, self.slide, self.grid.mpp, ready.settings, ready.statistics, ready.key
        )

    def _prepared(self) -> Ready:
        self.prepare()
        assert self._ready is not None
        return self._ready

    def _notice(self, sentence: str) -> None:
        if sentence in self.notices:
            return
        self.notices.append(sentence)
        if self._tell is not None:
            self._tell(sentence)
