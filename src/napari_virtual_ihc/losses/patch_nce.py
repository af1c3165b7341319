"""PatchNCE (Park et al. 2020), and its mix-domain form (MDCL, Wang et al., ICIP 2024).

A patch of the output must resemble its reference patch more than other patches: those of the
reference (inter-domain), those of the output itself (intra-domain), or both (mixed).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError
from napari_virtual_ihc.losses.similarity import products, widened

Negatives = Literal["inter", "intra", "mixed"]
_DIAGONAL = -10.0


def patch_nce(
    query: Tensor,
    key: Tensor,
    *,
    images: int = 1,
    temperature: float = 0.07,
    all_negatives: bool = False,
    negatives: Negatives = "inter",
) -> Tensor:
    """Return the loss of each patch, (B · P,), not reduced.

    L_i = −log softmax([q_i · k_i, negatives] / τ)_0 with, within one image, the inter-domain
    negatives q_i · k_j, where q_i · k_i is replaced by −10 (so that it weighs nothing), and the
    intra-domain negatives q_i · q_j, j ≠ i, whose gradient flows into both factors.

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
    negatives
        ``inter`` is PatchNCE, ``mixed`` has both kinds (MDCL), ``intra`` its own kind alone.

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
    q, k = (widened(t).reshape(groups, -1, t.shape[1]) for t in (query, key.detach()))
    logits = [(q * k).sum(dim=2, keepdim=True)]
    if negatives != "intra":
        logits.append(_others(q, k, _DIAGONAL))
    if negatives != "inter":
        logits.append(_others(q, q, -math.inf))
    rows = torch.cat(logits, dim=2).flatten(0, 1) / temperature
    first = torch.zeros(len(rows), dtype=torch.long, device=q.device)
    return F.cross_entropy(rows, first, reduction="none")


def _others(queries: Tensor, keys: Tensor, diagonal: float) -> Tensor:
    similarities = products(queries, keys)
    own = torch.eye(similarities.shape[1], dtype=torch.bool, device=similarities.device)
    return similarities.masked_fill(own, diagonal)
