"""The views of a virtual picture that VSMT's structure contrast compares, drawn as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_virtual_ihc.losses.hed import restained
from napari_virtual_ihc.losses.structure_views import (
    elastic,
    low_passed,
    patches_turned,
    pixels_shuffled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_virtual_ihc.methods.base import Batch
    from napari_virtual_ihc.methods.vsmt_recipe import VsmtRecipe

_SHUFFLED = (8, 8, 16, 16, 32, 64)
_WEAK, _STRONG = (0.5, 1.2), (3.0, 6.0)


def draw_elastic(generator: torch.Generator) -> Tensor:
    """Draw the strengths of weak and strong elastic views, (2,)."""
    return torch.tensor([_uniform(*_WEAK, generator), _uniform(*_STRONG, generator)])


def same_structure(
    fake: Tensor, he: Tensor, grid: int, alpha: float, generator: torch.Generator
) -> Tensor:
    """Return a picture of the structure of ``fake`` in other colours, (1, 3, H, W).

    With p = .75 the virtual picture, its hematoxylin times U(.8, 1.5) and DAB times U(0, 1.2), then
    bent weakly (p = .25) or changed patch by patch on the grid of blocks; else the H&E itself.

    Parameters
    ----------
    fake, he
        (1, 3, H, W) in [-1, 1].
    grid
        Blocks along a side.
    alpha
        Strength of the weak elastic.
    """
    if _chance(generator) >= 0.75:
        return he
    hematoxylin, dab = _uniform(0.8, 1.5, generator), _uniform(0, 1.2, generator)
    view = restained(fake, hematoxylin, dab)
    if _chance(generator) < 0.25:
        return elastic(view, alpha, generator)
    return patches_turned(view, grid, generator)


def other_structure(fake: Tensor, block: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Return ``fake`` with its structure destroyed, (1, 3, H, W).

    With p = .3 its pixels are shuffled within patches (up to ``block`` px), with p = .2 it loses
    all but the lowest 1 to 4 % of frequencies, else it is bent strongly by ``alpha``.
    """
    chance = _chance(generator)
    if chance < 0.3:
        sizes = [size for size in _SHUFFLED if size <= block]
        size = sizes[int(torch.randint(len(sizes), (), generator=generator))]
        return pixels_shuffled(fake, torch.randperm(size * size, generator=generator))
    if chance < 0.5:
        return low_passed(fake, _uniform(0.01, 0.04, generator))
    return elastic(fake, alpha, generator)


def draw_views(
    fake: Tensor,
    he: Tensor,
    recipe: VsmtRecipe,
    strengths: Tensor,
    draws: Sequence[torch.Generator],
) -> tuple[Tensor, Tensor]:
    """Return, picture by picture, a view of ŷ that keeps its structure and one that does not.

    Parameters
    ----------
    strengths
        From `draw_elastic`.
    draws
        A source of draws per picture.
    """
    weak, strong = strengths.tolist()
    same, other = [], []
    for i, source in enumerate(draws):
        one = slice(i, i + 1)
        same.append(same_structure(fake[one], he[one], recipe.grid, weak, source))
        other.append(other_structure(fake[one], recipe.block, strong, source))
    return torch.cat(same), torch.cat(other)


def draws_of_pictures(batch: Batch) -> list[torch.Generator]:
    """Return a source of draws for each picture, the same however many processes share them."""
    seeds = batch.per_picture(lambda n: torch.randint(1 << 62, (n,), generator=batch.generator))
    return [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * _chance(generator)
