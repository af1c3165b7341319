"""How VSMT finds where in a neighbouring section the features of a place are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_virtual_ihc.losses.matching import alignment, cluster, cosines, pair_classes
from napari_virtual_ihc.losses.optimal_transport import transport_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_virtual_ihc.methods.vsmt_recipe import VsmtRecipe


def aligned(
    virtual: Tensor, real: Tensor, recipe: VsmtRecipe, sources: Sequence[torch.Generator]
) -> Tensor:
    """Return how each cell of ŷ is made of cells of y, (N, P, P), rows summing to 1.

    Parameters
    ----------
    virtual, real
        (N, C, m, m) cells; the gradient flows through their similarity.
    sources
        Of draws, one per picture.
    """
    fake_cells, real_cells = virtual.flatten(2), real.flatten(2)
    if recipe.alignment == "transport":
        return _transported(fake_cells, real_cells, recipe.transport_epsilon)
    similar = cosines(fake_cells, real_cells)
    each = zip(similar, fake_cells, real_cells, sources, strict=True)
    return torch.stack([_matched(s, a.T, b.T, recipe, source) for s, a, b, source in each])


def _transported(fake: Tensor, real: Tensor, epsilon: float) -> Tensor:
    q, k = (F.normalize(cells, dim=1).transpose(1, 2) for cells in (fake, real))
    plan = transport_plan(q, k, cost="hard", epsilon=epsilon).transpose(1, 2)
    return plan / plan.sum(dim=2, keepdim=True)


def _matched(
    similar: Tensor, fake: Tensor, real: Tensor, recipe: VsmtRecipe, source: torch.Generator
) -> Tensor:
    """Match one picture: cluster both sides, pair the classes, mix within them."""
    classes, rounds = recipe.n_classes, recipe.kmeans_iterations
    fakes, reals = (cluster(cells, classes, source, rounds) for cells in (fake, real))
    partner = pair_classes(fake, real, fakes, reals, classes)
    return alignment(similar, fakes, reals, partner)
