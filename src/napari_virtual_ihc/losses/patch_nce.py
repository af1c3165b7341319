"""PatchNCE (Park et al. 2020): a patch of the output must resemble its reference patch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError

_DIAGONAL = -10.0


def patch_nce(
    query: Tensor,
    key: Tensor,
    *,
    images: int = 1,
    temperature: float = 0.07,
    all_negatives: bool = False,
) -> Tensor:
    """Return the loss of each patch, (B · P,), not reduced.

    With s_ij = q_i · k_j within one image, L_i = −log softmax([s_ii, s_i1 … s_iP] / τ)_0, where
    the second s_ii is replaced by −10 (so that it weighs nothing).

    Parameters
    ----------
    query, key
        (B · P, C) unit vectors, image-major; ``key`` gets no gradient.
    images
        B, the true size of this batch.
    temperature
        τ.
    all_negatives
        Take negatives from every image of the batch instead of the same image.

    Raises
    ------
    DataError
        If the rows do not divide into ``images``, or the shapes differ.
    """
    if query.shape != key.shape or len(query) % images:
        shapes = tuple(query.shape), tuple(key.shape)
        raise DataError(
            f"PatchNCE cannot split queries and keys of shapes {shapes} into {images} images."
        )
    groups = 1 if all_negatives else images
    q, k = (t.reshape(groups, -1, t.shape[1]) for t in (query, key.detach()))
    positive = (q * k).sum(dim=2, keepdim=True)
    negative = torch.bmm(q, k.transpose(1, 2))
    diagonal = torch.eye(q.shape[1], dtype=torch.bool, device=q.device)
    negative = negative.masked_fill(diagonal, _DIAGONAL)
    logits = torch.cat([positive, negative], dim=2).flatten(0, 1) / temperature
    first = torch.zeros(len(logits), dtype=torch.long, device=q.device)
    return F.cross_entropy(logits, first, reduction="none")
