"""Matching the cells of two sections class by class, and moving features accordingly (VSMT).

The cells of a virtual and a real stain are clustered separately, the clusters paired, and each
virtual cell is written as a sparse mixture of the real cells of its class.
"""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.losses.similarity import widened

_BEST_PAIRS = 2
_EPS = 1e-10


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine of every pair of cells, (N, P, Q) for (N, C, P) and (N, C, Q)."""
    a, b = (F.normalize(widened(cells), dim=1) for cells in (first, second))
    return (a.unsqueeze(3) * b.unsqueeze(2)).sum(dim=1)


@torch.no_grad()
def cluster(
    cells: Tensor, classes: int, generator: torch.Generator, iterations: int = 64
) -> Tensor:
    """Return the class of each cell by k-means with cosine distance.

    Parameters
    ----------
    cells
        (P, C).
    classes
        K; the first centres are K cells drawn from ``generator`` (CPU).
    iterations
        At most; it ends earlier where no cell changes its class. A class that lost its last cell
        keeps its centre.

    Raises
    ------
    DataError
        If there are fewer cells than classes.
    """
    if len(cells) < classes:
        raise DataError(f"{len(cells)} cells cannot be clustered into {classes} classes.")
    points = F.normalize(widened(cells), dim=1)
    chosen = torch.randperm(len(cells), generator=generator)[:classes]
    centres = points[chosen.to(points.device)]
    labels = (points @ centres.T).argmax(dim=1)
    for _ in range(iterations):
        members = F.one_hot(labels, classes).to(points.dtype)
        sums = members.T @ points
        filled = members.sum(dim=0).unsqueeze(1) > 0
        centres = torch.where(filled, F.normalize(sums, dim=1), centres)
        fresh = (points @ centres.T).argmax(dim=1)
        if torch.equal(fresh, labels):
            break
        labels = fresh
    return labels


@torch.no_grad()
def pair_classes(
    fake: Tensor, real: Tensor, fake_labels: Tensor, real_labels: Tensor, classes: int
) -> Tensor:
    """Return the real class that belongs to each fake class, (classes,).

    The permutation with the highest mean of its two best class pairs, a pair's worth being the
    mean cosine between its cells (0 where one side is empty). Where no permutation has a finite
    worth, the nearest class centres are paired one after the other.

    Parameters
    ----------
    fake, real
        (P, C) and (Q, C) cells.
    fake_labels, real_labels
        (P,) and (Q,) classes from 0.
    """
    similar = cosines(fake.T[None], real.T[None])[0]
    a, b = (F.one_hot(labels, classes).to(similar.dtype) for labels in (fake_labels, real_labels))
    means = (a.T @ similar @ b) / (a.sum(dim=0).unsqueeze(1) * b.sum(dim=0) + _EPS)
    orders = torch.tensor(list(permutations(range(classes))), device=similar.device)
    pairs = means[torch.arange(classes, device=similar.device), orders]
    worth = pairs.topk(min(_BEST_PAIRS, classes), dim=1).values.mean(dim=1)
    if worth.isfinite().any():
        return orders[worth.nan_to_num(nan=-torch.inf).argmax()]
    return _nearest_first(_centres(fake, a), _centres(real, b))


def _centres(cells: Tensor, members: Tensor) -> Tensor:
    return members.T @ widened(cells).nan_to_num() / members.sum(dim=0).clamp(min=1).unsqueeze(1)


def _nearest_first(fake: Tensor, real: Tensor) -> Tensor:
    similar = cosines(fake.T[None], real.T[None])[0]
    partner = torch.zeros(len(similar), dtype=torch.long, device=similar.device)
    for _ in range(len(similar)):
        row, column = divmod(int(similar.argmax()), similar.shape[1])
        partner[row] = column
        similar[row, :] = similar[:, column] = -torch.inf
    return partner


def sparsemax(scores: Tensor) -> Tensor:
    """Return the Euclidean projection of each row (last axis) on the simplex (Martins 2016)."""
    ordered = scores.sort(dim=-1, descending=True).values
    excess = ordered.cumsum(dim=-1) - 1
    rank = torch.arange(1, scores.shape[-1] + 1, device=scores.device)
    support = (ordered * rank > excess).sum(dim=-1, keepdim=True)
    threshold = excess.gather(-1, support - 1) / support
    return (scores - threshold).clamp(min=0)


def alignment(similar: Tensor, fake_labels: Tensor, real_labels: Tensor, partner: Tensor) -> Tensor:
    """Return how each fake cell is made of real cells: rows of (P, Q), sparse, summing to 1.

    Sparsemax over all real cells of cosine + 1, which is 0 where the classes do not belong
    together; a fake class whose real partner is empty looks at all real cells.

    Parameters
    ----------
    similar
        (P, Q) cosines; the gradient flows through them alone.
    fake_labels, real_labels
        (P,) and (Q,) classes.
    partner
        The real class of each fake class, from `pair_classes`.
    """
    wanted = partner[fake_labels].unsqueeze(1)
    fits = wanted == real_labels
    fits = fits | ~fits.any(dim=1, keepdim=True)
    return sparsemax(torch.where(fits, similar + 1, torch.zeros_like(similar)))


def move_blocks(features: Tensor, mixture: Tensor) -> Tensor:
    """Return features whose block i is Σ_j A_ij · block j.

    Parameters
    ----------
    features
        (N, C, h, w), cut into a square grid of √P × √P rigid blocks, row by row.
    mixture
        A, (N, P, P).

    Raises
    ------
    DataError
        If the features cannot be cut into such a grid.
    """
    count, channels, height, width = features.shape
    side = round(mixture.shape[1] ** 0.5)
    if side * side != mixture.shape[1] or height % side or width % side:
        raise DataError(f"Features of {height} × {width} px are no grid of {mixture.shape[1]}.")
    rows, columns = height // side, width // side
    grid = features.reshape(count, channels, side, rows, side, columns).permute(0, 2, 4, 1, 3, 5)
    blocks = grid.reshape(count, side * side, -1)
    moved = torch.bmm(mixture.to(blocks.dtype), blocks)
    grid = moved.reshape(count, side, side, channels, rows, columns).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(features.shape)
