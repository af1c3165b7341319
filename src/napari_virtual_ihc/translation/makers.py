"""What makes the pixels of a window: one pass of a generator, or the steps of a diffusion."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from napari_virtual_ihc.translation.calibration import collect_statistics, measured_on
from napari_virtual_ihc.translation.colours import collect_colours
from napari_virtual_ihc.translation.forwards import Forwards, unseen
from napari_virtual_ihc.translation.identity import Settings, key_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.networks.miu_diff import MiuDiffNetworks
    from napari_virtual_ihc.sampling.recipe import SamplerRecipe
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.translation.backends.base import Bytes, Described
    from napari_virtual_ihc.translation.backends.choose import Choice
    from napari_virtual_ihc.translation.backends.runners import NetworkRunner
    from napari_virtual_ihc.translation.blocks import BlockPlan, Window
    from napari_virtual_ihc.translation.calibration import Statistics
    from napari_virtual_ihc.translation.loading import BlockLoader
    from napari_virtual_ihc.translation.plan import Facts, Mode
    from napari_virtual_ihc.translation.sampling import Sampling


class Maker(Protocol):
    """Makes the pixels of windows."""

    @property
    def backend(self) -> Described:
        """Where it runs."""
        ...

    @property
    def faithful(self) -> bool:
        """Whether pixels still have the bytes they would have with memory enough."""
        ...

    def run(
        self, pixels: Bytes, core: Window, cancelled: Callable[[], bool],
        preview: Callable[[Bytes], None] = unseen,
    ) -> Bytes:  # fmt: skip
        """Return the core's pixels, (h, w, 3) uint8.

        Parameters
        ----------
        pixels
            (h + 2 margin, w + 2 margin, 3) uint8 around ``core``.
        cancelled
            Asked as it goes.
        preview
            Told unfinished pixels of the core, where there are any.
        """
        ...


@runtime_checkable
class Stepwise(Protocol):
    """A maker that needs many steps."""

    @property
    def networks(self) -> MiuDiffNetworks:
        """What it samples with."""
        ...

    @property
    def steps(self) -> tuple[int, int]:
        """Steps done of the window being made, and in all."""
        ...


@dataclass(frozen=True)
class Ready:
    """A model on a slide whose statistics are known.

    Attributes
    ----------
    statistics
        The slide's; None where the mode has none.
    forwards
        Makes the pixels.
    settings, key
        What the bytes depend on, and its hash.
    """

    statistics: Statistics | None
    forwards: Maker
    settings: Settings
    key: str


@dataclass(frozen=True)
class Makers:
    """All that is known of a model on a slide before its statistics are."""

    model: Model
    slide: Slide
    choice: Choice
    facts: Facts
    mode: Mode
    plan: BlockPlan
    loader: BlockLoader
    sampling: Sampling
    recipe: SamplerRecipe | None
    cache: Path
    measured: Statistics | None
    networks: MiuDiffNetworks | None
    notify: Callable[[str], None]

    def ready(
        self, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
    ) -> Ready:  # fmt: skip
        """Measure the slide's statistics and build the network; see `Translator.prepare`."""
        found = self._collect(progress, cancelled)
        maker = self.maker(found)
        settings = settings_of(maker.backend, self.mode, self.plan, self._sampler_words())
        key = key_of(self.model, self.slide, self.plan.grid.mpp, settings, found)
        return Ready(found, maker, settings, key)

    def _collect(
        self, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
    ) -> Statistics | None:
        coloured = self.recipe is not None and self.recipe.colour != "none"
        if self.mode not in ("slide", "dense") and not coloured:
            return None
        if self.measured is not None:
            return self.measured
        if coloured:
            return collect_colours(self.slide, self.plan.grid.mpp)
        return collect_statistics(
            self.model, self.slide, cache=self.cache, device=measured_on(self.choice.device),
            progress=progress, cancelled=cancelled, notify=self.notify,
        )  # fmt: skip

    def _sampler_words(self) -> dict[str, Any] | None:
        """Return what a diffusion's settings name besides: what was chosen, and its recipe."""
        if self.recipe is None:
            return None
        return {"chosen": asdict(self.sampling), "recipe": self.recipe.model_dump()}

    def maker(self, found: Statistics | None) -> Maker:
        """Return what makes the pixels, once the slide's statistics are measured."""
        if self.recipe is not None:
            return self._sampler(self.recipe, found)
        return Forwards(
            self._runner(self.choice, found), self._fallback(found), margin=self.plan.margin,
            side=self.plan.grid.tile, step=self.facts.stride, notify=self.notify,
        )  # fmt: skip

    def _sampler(self, recipe: SamplerRecipe, found: Statistics | None) -> Maker:
        from napari_virtual_ihc.translation.backends.sampler import sampler_for

        coloured = found if found is not None and found.windows else None
        return sampler_for(
            self.model, recipe, self.choice, seed=self.sampling.seed, slide=self.slide.fingerprint,
            found=coloured, plan=self.plan, notify=self.notify, networks=self.networks,
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
            grid, read = self.plan.grid, self.loader.tile_alone
            shape = grid.rows, grid.cols
            return runners.dense_runner(self.model, found, choice, margin, read, shape, grid.tile)
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
