"""A diffusion model over windows of a slide: noised H&E, guided step by step to virtual IHC."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.losses.mutual_information import bound
from napari_virtual_ihc.networks.score_unet import at_step
from napari_virtual_ihc.sampling.chain import Chain, Guide
from napari_virtual_ihc.sampling.egsde import EgsdeGuide, LowPassEnergy
from napari_virtual_ihc.sampling.information import InformationGuide
from napari_virtual_ihc.sampling.noise import FRESH, START, NoiseField
from napari_virtual_ihc.sampling.refinement import Refinement
from napari_virtual_ihc.sampling.structure import rolled_views, structure_map
from napari_virtual_ihc.stains.lab import LabStatistics, reinhard
from napari_virtual_ihc.translation.backends.torch_backend import (
    device_kind,
    exact_arithmetic,
    to_bytes,
    to_unit,
)
from napari_virtual_ihc.translation.colours import lab_of
from napari_virtual_ihc.translation.forwards import unseen

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_virtual_ihc.models.card import ModelCard
    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.networks.miu_diff import MiuDiffNetworks
    from napari_virtual_ihc.sampling.recipe import SamplerRecipe
    from napari_virtual_ihc.translation.backends.base import Bytes
    from napari_virtual_ihc.translation.backends.choose import Choice
    from napari_virtual_ihc.translation.blocks import Window
    from napari_virtual_ihc.translation.calibration import Statistics

_PREVIEWS = 4


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
    model
        Of kind ``diffusion``.
    recipe
        How it is sampled; see `translation.sampling.Sampling`.
    seed
        Of the noise.
    place
        Fingerprint of the slide and µm/px, which the noise belongs to.
    colours
        CIELAB of the slide's tissue; None where the recipe leaves colours alone.
    margin
        Pixels around a core that are made with it and discarded.

    Attributes
    ----------
    steps
        Steps done of the window being made, and in all.
    """

    faithful = True

    def __init__(
        self, model: Model, recipe: SamplerRecipe, choice: Choice, *, seed: int,
        place: tuple[str, float], colours: LabStatistics | None, margin: int,
    ) -> None:  # fmt: skip
        self._device = torch.device(choice.device)
        self.backend = SamplerBackend(choice.device, device_kind(self._device), choice.precision)
        self.recipe = recipe
        self._networks = cast("MiuDiffNetworks", model.network()).to(self._device)
        self._field = NoiseField.of(seed, *place)
        self._seed = seed
        self._colours = colours
        self._target = _target_of(model.card)
        self._margin = margin
        self.steps = 0, recipe.steps

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
        ModelError
            If the sample stops being a number.
        """
        window = core.grown(self._margin)
        source = self._source(pixels)
        noise = self._noise(window, self.recipe.start, START)
        start = self.recipe.schedule.noised(source, noise, self.recipe.start - 1)
        with exact_arithmetic():
            for moment in self._chain(source, noise, window).run(start):
                self.steps = moment.done, moment.total
                if moment.done == moment.total:
                    break
                if cancelled():
                    raise Cancelled
                if moment.done % max(moment.total // (_PREVIEWS + 1), 1) == 0:
                    preview(self._cropped(moment.clean, core))
        return self._cropped(moment.sample, core)

    def _source(self, pixels: Bytes) -> Tensor:
        """Return the H&E with the colours of IHC, (1, 3, H, W) in [-1, 1]."""
        if self._colours is not None and self._target is not None:
            pixels = reinhard(pixels, self._colours, self._target)
        picture = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        return to_unit(picture.to(self._device))

    def _noise(self, window: Window, step: int, stream: int = FRESH) -> Tensor:
        return self._field.draw(step, *window, stream=stream, device=self._device)[None]

    def _chain(self, source: Tensor, noise: Tensor, window: Window) -> Chain:
        return Chain(
            self.recipe, self._score, lambda index: self._noise(window, index),
            self._guide(source, noise), self._refinement(source, noise),
        )  # fmt: skip

    def _guide(self, source: Tensor, noise: Tensor) -> Guide | None:
        recipe, schedule = self.recipe, self.recipe.schedule
        if recipe.guidance == "off":
            return None
        if recipe.guidance == "energies":
            energies = [(recipe.lambda_i, LowPassEnergy(recipe.low_pass))]
            return EgsdeGuide(schedule, source, noise, energies)
        assert self._networks.statistics is not None
        structure = structure_map(source, recipe.structure)
        elsewhere = rolled_views(structure, recipe.marginal_views, self._draws())
        return InformationGuide(
            recipe, schedule, self._networks.statistics, partial(bound, recipe.bound), structure,
            elsewhere,
        )  # fmt: skip

    def _refinement(self, source: Tensor, noise: Tensor) -> Refinement | None:
        if self.recipe.refinement == "off":
            return None
        recipe = self.recipe
        return Refinement(recipe, recipe.schedule, self._features, source, noise, self._draws())

    def _draws(self) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed)

    def _score(self, y: Tensor, index: int) -> Tensor:
        with self._narrow():
            noise: Tensor = self._networks.score(y, at_step(y, index))
        return noise.float()

    def _features(self, y: Tensor, index: int) -> list[Tensor]:
        with self._narrow():
            found = self._networks.score.features(y, at_step(y, index))
        return [features.float() for features in found]

    def _narrow(self) -> torch.autocast:
        narrow = self.backend.precision == "bf16"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=narrow)

    def _cropped(self, sample: Tensor, core: Window) -> Bytes:
        m = self._margin
        inner = to_bytes(sample[0, :, m : m + core.h, m : m + core.w])
        return np.ascontiguousarray(inner.permute(1, 2, 0).cpu().numpy())


def sampler_for(
    model: Model, recipe: SamplerRecipe, choice: Choice, *, seed: int, slide: str,
    found: Statistics | None, margin: int,
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
    return Sampler(model, recipe, choice, seed=seed, place=place, colours=colours, margin=margin)


def _target_of(card: ModelCard) -> LabStatistics | None:
    known = card.output_lab
    if isinstance(known, str):
        return None
    return LabStatistics(_three(known.mean), _three(known.std))


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
