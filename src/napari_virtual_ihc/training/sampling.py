"""Batches as a function of seed and step alone, so that a resumed run sees what it would have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.training.augment import (
    Appearance,
    Resize,
    bicubic,
    cut,
    draw_appearance,
    draw_geometry,
    restain,
)
from napari_virtual_ihc.training.data import PairFolder, load_picture
from napari_virtual_ihc.training.jitter import jittered
from napari_virtual_ihc.training.magnification import draw_view
from napari_virtual_ihc.training.world import ALONE, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_virtual_ihc.methods.recipe import Recipe
    from napari_virtual_ihc.training.data import Pair

_SHUFFLED = 5


@dataclass(frozen=True)
class Sampler:
    """Draws the batch of any step.

    Pairs are drawn at random with replacement, as the aligned data sets of ASP and its heirs do,
    or in a shuffled order, anew for each time through; a recipe that is not ``aligned`` draws the
    IHC of a crop independently of its H&E, with replacement (CUT).

    Attributes
    ----------
    data
        The pairs.
    recipe
        Batch and crop sizes, augmentation.
    seed
        Seed of the run.
    steps
        Steps of the whole training, which define the epoch of a step.
    enlarge
        Makes crops of parts that are smaller, where the recipe shows pairs at several scales.
    place
        Which of how many processes this is. The whole batch has ``batch_size`` crops for each;
        a crop is a function of seed, step and its place in the whole batch, so that the share of
        a process is a part of what one process alone would see.
    """

    data: PairFolder
    recipe: Recipe
    seed: int
    steps: int
    enlarge: Resize = bicubic
    place: Place = ALONE

    def batch(self, step: int) -> Batch:
        """Return this process's share of the batch of 0-based ``step``."""
        rng = np.random.default_rng([self.seed, step, 0])
        look = draw_appearance(self.recipe.augmentation, rng)
        here = self.recipe.batch_size
        first = self.place.rank * here
        crops = [self._crop(step, first + i, look) for i in range(here)]
        source = np.random.default_rng([self.seed, step, 1]).integers(1 << 62)
        return Batch(
            _stack([he for he, _, _ in crops]),
            _stack([ihc for _, ihc, _ in crops]),
            tuple(name for _, _, names in crops for name in names),
            step,
            self.recipe.epoch_of(step, self.steps),
            torch.Generator().manual_seed(int(source)),
            first,
            self._whole,
        )

    def batches(self, start: int) -> Iterator[Batch]:
        """Yield the batches from ``start`` on, the next one made while this one is used."""
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self.batch, start)
            for step in range(start, self.steps):
                ready = coming.result()
                if step + 1 < self.steps:
                    coming = pool.submit(self.batch, step + 1)
                yield ready

    def _pair(self, step: int, place: int, rng: np.random.Generator) -> Pair:
        """Return the pair of crop ``place`` of the whole batch."""
        pairs = self.data.train
        drawn = int(rng.integers(len(pairs)))
        if self.recipe.sampling == "replacement":
            return pairs[drawn]
        through, position = divmod(self._whole * step + place, len(pairs))
        order = np.random.default_rng([self.seed, through, _SHUFFLED]).permutation(len(pairs))
        return pairs[int(order[position])]

    @property
    def _whole(self) -> int:
        """Crops of a step in all processes."""
        return self.recipe.batch_size * self.place.size

    def _crop(
        self, step: int, place: int, look: Appearance
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[str, str]]:
        recipe, pairs = self.recipe, self.data.train
        rng = np.random.default_rng([self.seed, step, 2, place])
        first = self._pair(step, place, rng)
        second = first if recipe.aligned else pairs[rng.integers(len(pairs))]
        load_size = recipe.load_size_at(recipe.epoch_of(step, self.steps))
        he = load_picture(first.he, load_size)
        ihc = load_picture(second.ihc, load_size)
        view = draw_view(recipe.magnification, rng)
        side = view.side(he.shape, recipe.crop_size)
        geometry = draw_geometry(he.shape, side, recipe.augmentation, rng)
        other = geometry
        if not recipe.aligned:
            side = view.side(ihc.shape, recipe.crop_size)
            other = draw_geometry(ihc.shape, side, recipe.augmentation, rng)
        if not recipe.augmentation.per_batch:
            look = draw_appearance(recipe.augmentation, rng)
        resize = self.enlarge if view.enlarges else bicubic
        crop = cut(he, geometry, recipe.crop_size, resize)
        changed = recipe.augmentation.changes_appearance
        seen = restain(crop, look, rng) if changed else crop.astype(np.float32)
        target = cut(ihc, other, recipe.crop_size, resize).astype(np.float32)
        seen = jittered(seen, look.jitter)
        return seen, target, (str(first.he.path), str(second.ihc.path))


def _stack(crops: list[NDArray[np.float32]]) -> Tensor:
    return torch.stack([to_tensor(crop) for crop in crops])


def to_tensor(rgb: NDArray[np.float32] | NDArray[np.uint8]) -> Tensor:
    """Return (h, w, 3) values 0 to 255 as (3, h, w) float32 in [-1, 1]."""
    values = np.ascontiguousarray(rgb.transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(values / 127.5 - 1)


def to_rgb(image: Tensor) -> NDArray[np.uint8]:
    """Return (3, h, w) in [-1, 1] as (h, w, 3) uint8 by truncation, as the reference codes do."""
    values = (image.detach().float().cpu().clamp(-1, 1) + 1) / 2 * 255
    array: NDArray[np.uint8] = values.permute(1, 2, 0).numpy().astype(np.uint8)
    return array
