"""The reverse chain over windows of a slide: what it starts from and is guided by."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from napari_virtual_ihc.losses.mutual_information import bound
from napari_virtual_ihc.networks.score_unet import at_step
from napari_virtual_ihc.sampling.chain import Chain, Guide
from napari_virtual_ihc.sampling.egsde import EgsdeGuide, LowPassEnergy
from napari_virtual_ihc.sampling.information import InformationGuide
from napari_virtual_ihc.sampling.noise import FRESH, START, NoiseField
from napari_virtual_ihc.sampling.refinement import Refinement
from napari_virtual_ihc.sampling.structure import rolled_views, structure_map
from napari_virtual_ihc.stains.lab import LabStatistics, reinhard
from napari_virtual_ihc.translation.backends.torch_backend import to_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_virtual_ihc.models.card import ModelCard
    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.networks.miu_diff import MiuDiffNetworks
    from napari_virtual_ihc.sampling.chain import Moment
    from napari_virtual_ihc.sampling.recipe import SamplerRecipe
    from napari_virtual_ihc.translation.backends.base import Bytes
    from napari_virtual_ihc.translation.backends.choose import Choice
    from napari_virtual_ihc.translation.blocks import Window


class WindowChains:
    """Runs the reverse chain of one model over batches of windows of one slide.

    Parameters
    ----------
    model
        Of kind ``diffusion``.
    recipe
        How it is sampled.
    seed
        Of the noise.
    place
        Fingerprint of the slide and µm/px, which the noise belongs to.
    colours
        CIELAB of the slide's tissue; None where the recipe leaves colours alone.
    networks
        Of the model, on the device already; None to load them.
    """

    def __init__(
        self, model: Model, recipe: SamplerRecipe, choice: Choice, *, seed: int,
        place: tuple[str, float], colours: LabStatistics | None,
        networks: MiuDiffNetworks | None = None,
    ) -> None:  # fmt: skip
        self.device = torch.device(choice.device)
        self.recipe = recipe
        self._narrow_to_bf16 = choice.precision == "bf16"
        loaded = networks or cast("MiuDiffNetworks", model.network())
        self.networks = loaded.to(self.device)
        self._field = NoiseField.of(seed, *place)
        self._seed = seed
        self._colours = colours
        self._target = _target_of(model.card, recipe)

    def moments(self, pixels: Bytes, windows: Sequence[Window]) -> Iterator[Moment]:
        """Yield a moment after every step.

        Parameters
        ----------
        pixels
            H&E, (n, h, w, 3) uint8.
        windows
            Where on the model's grid these pixels lie, n of them.
        """
        source = self._source(pixels)
        noise = self._noise(windows, self.recipe.start, START)
        start = self.recipe.schedule.noised(source, noise, self.recipe.start - 1)
        yield from self._chain(source, noise, windows).run(start)

    def _source(self, pixels: Bytes) -> Tensor:
        """Return the H&E with the colours of IHC, (n, 3, H, W) in [-1, 1]."""
        if self._colours is not None and self._target is not None:
            pixels = reinhard(pixels, self._colours, self._target)
        pictures = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        return to_unit(pictures.to(self.device))

    def _noise(self, windows: Sequence[Window], step: int, stream: int = FRESH) -> Tensor:
        drawn = [
            self._field.draw(step, *window, stream=stream, device=self.device) for window in windows
        ]
        return torch.stack(drawn)

    def _chain(self, source: Tensor, noise: Tensor, windows: Sequence[Window]) -> Chain:
        return Chain(
            self.recipe, self._score, lambda index: self._noise(windows, index),
            self._guide(source, noise), self._refinement(source, noise),
        )  # fmt: skip

    def _guide(self, source: Tensor, noise: Tensor) -> Guide | None:
        recipe, schedule = self.recipe, self.recipe.schedule
        if recipe.guidance == "off":
            return None
        if recipe.guidance == "energies":
            energies = [(recipe.lambda_i, LowPassEnergy(recipe.low_pass))]
            return EgsdeGuide(schedule, source, noise, energies)
        assert self.networks.statistics is not None
        structure = structure_map(source, recipe.structure)
        elsewhere = rolled_views(structure, recipe.marginal_views, self._draws())
        return InformationGuide(
            recipe, schedule, self.networks.statistics, partial(bound, recipe.bound), structure,
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
            noise: Tensor = self.networks.score(y, at_step(y, index))
        return noise.float()

    def _features(self, y: Tensor, index: int) -> list[Tensor]:
        with self._narrow():
            found = self.networks.score.features(y, at_step(y, index))
        return [features.float() for features in found]

    def _narrow(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._narrow_to_bf16)


def _target_of(card: ModelCard, recipe: SamplerRecipe) -> LabStatistics | None:
    """Return the colours that a slide's are moved to; without deviation where hue is to go."""
    known = card.output_lab
    if isinstance(known, str):
        return None
    lightness, *hue = _three(known.std)
    std = (lightness, 0.0, 0.0) if recipe.colour == "luminance" else (lightness, *hue)
    return LabStatistics(_three(known.mean), _three(std))


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
