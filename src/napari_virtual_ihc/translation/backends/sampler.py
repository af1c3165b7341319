"""A diffusion model over windows of a slide: noised H&E, guided step by step to virtual IHC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.translation.backends.base import is_out_of_memory
from napari_virtual_ihc.translation.backends.torch_backend import (
    device_kind,
    exact_arithmetic,
    to_bytes,
)
from napari_virtual_ihc.translation.backends.window_chains import WindowChains
from napari_virtual_ihc.translation.colours import lab_of
from napari_virtual_ihc.translation.forwards import TOLERANCE, parts, unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.networks.miu_diff import MiuDiffNetworks
    from napari_virtual_ihc.sampling.recipe import SamplerRecipe
    from napari_virtual_ihc.translation.backends.base import Bytes
    from napari_virtual_ihc.translation.backends.choose import Choice
    from napari_virtual_ihc.translation.blocks import BlockPlan, Window
    from napari_virtual_ihc.translation.calibration import Statistics

_PREVIEWS = 4
_GLASS = 255


@dataclass(frozen=True)
class SamplerBackend:
    """What runs a diffusion: torch, with the words every backend has."""

    device: str
    device_kind: str
    precision: str
    name: str = "torch"
    version: str = torch.__version__


class Sampler:
    """Makes windows of virtual IHC by a reverse chain that starts from the noised H&E.

    The noise, and all that is drawn besides, are functions of seed, slide, scale and place: a
    window has the same bytes whenever it is made.

    Parameters
    ----------
    chains
        The model on the slide.
    precision
        In which its networks run.
    margin
        Pixels around a window that are made with it and discarded.
    side
        Largest side of a window in px; a core that holds several is made as one batch.
    notify
        Told once that memory ran out.

    Attributes
    ----------
    faithful
        Whether pixels still have the bytes they would have with memory enough.
    steps
        Steps done of the windows being made, and in all.
    """

    def __init__(
        self, chains: WindowChains, precision: str, *, margin: int, side: int,
        notify: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.backend = SamplerBackend(str(chains.device), device_kind(chains.device), precision)
        self._chains = chains
        self._margin = margin
        self._side = side
        self._notify = notify
        self.faithful = True
        self.steps = 0, chains.recipe.steps

    @property
    def networks(self) -> MiuDiffNetworks:
        """The model's networks, for other samplers of the same model."""
        return self._chains.networks

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
            Asked after every step.
        preview
            Told the core as it would be without the noise left, every few steps.

        Raises
        ------
        Cancelled
            If ``cancelled`` said so.
        MemoryError
            If not even one window fits.
        ModelError
            If the sample stops being a number.
        """
        around = core.grown(self._margin)
        image = np.full((core.h, core.w, 3), _GLASS, np.uint8)
        waiting = alike(parts(core, self._side))
        while waiting:
            windows = waiting.pop(0)
            inputs = np.stack([pixels[one.grown(self._margin).inside(around)] for one in windows])
            try:
                for pictures, finished in self._pictures(inputs, windows, cancelled):
                    for window, picture in zip(windows, pictures, strict=True):
                        image[window.inside(core)] = picture
                    if not finished:
                        preview(image.copy())
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                waiting[:0] = self._fewer(windows, error)
        return image

    def _fewer(self, windows: list[Window], error: BaseException) -> list[list[Window]]:
        """Return the windows of a batch that did not fit, one by one."""
        if len(windows) == 1:
            raise MemoryError("Not even one window of the diffusion fits into memory.") from error
        if self._chains.device.type == "cuda":
            torch.cuda.empty_cache()
        self.faithful = False
        self._notify(
            "Memory ran out; windows are sampled one by one from now on, and pixels may differ by "
            f"up to {TOLERANCE} grey levels."
        )
        return [[window] for window in windows]

    def _pictures(
        self, inputs: Bytes, windows: list[Window], cancelled: Callable[[], bool]
    ) -> Iterator[tuple[Bytes, bool]]:
        """Yield previews of a batch (n, h, w, 3), and its pixels last, which are finished."""
        grown = [window.grown(self._margin) for window in windows]
        with exact_arithmetic():
            for moment in self._chains.moments(inputs, grown):
                self.steps = moment.done, moment.total
                if moment.done == moment.total:
                    yield self._cropped(moment.sample), True
                    return
                if cancelled():
                    raise Cancelled
                if moment.done % max(moment.total // (_PREVIEWS + 1), 1) == 0:
                    yield self._cropped(moment.clean), False

    def _cropped(self, samples: Tensor) -> Bytes:
        m = self._margin
        inner = to_bytes(samples[:, :, m:-m, m:-m] if m else samples)
        return np.ascontiguousarray(inner.permute(0, 2, 3, 1).cpu().numpy())


def alike(windows: Sequence[Window]) -> list[list[Window]]:
    """Return windows as batches of one size each."""
    batches: dict[tuple[int, int], list[Window]] = {}
    for window in windows:
        batches.setdefault((window.h, window.w), []).append(window)
    return list(batches.values())


def sampler_for(
    model: Model, recipe: SamplerRecipe, choice: Choice, *, seed: int, slide: str,
    found: Statistics | None, plan: BlockPlan, notify: Callable[[str], None],
    networks: MiuDiffNetworks | None = None,
) -> Sampler:  # fmt: skip
    """Return the sampler of a model on a slide.

    Parameters
    ----------
    slide
        Fingerprint.
    found
        Colours of the slide, from `translation.colours.collect_colours`; None where the recipe
        leaves colours alone.
    """
    colours = None if found is None else lab_of(found)
    place = slide, model.card.mpp_out
    chains = WindowChains(
        model, recipe, choice, seed=seed, place=place, colours=colours, networks=networks
    )
    return Sampler(chains, choice.precision, margin=plan.margin, side=plan.grid.tile, notify=notify)
