"""Cross-image prototype consistency (CTPC, PSPStain): what is positive in ŷ looks so by y too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_virtual_ihc.losses.similarity import full_precision, widened

if TYPE_CHECKING:
    from torch import Tensor

_EPSILON = 1e-5


def prototype_consistency(features: Tensor, logits: Tensor, masks: Tensor) -> Tensor:
    """Return the loss of one pair of virtual and real IHC, a scalar.

    Each pixel is classified by the prototypes of the *other* picture, and is to get the class of
    its own mask. The cross-entropy takes these probabilities for logits, as the published code
    does: its least value for two classes is ln(1 + e^-1) ≈ .3133.

    Parameters
    ----------
    features
        (2, C, H, W) from a segmentation network, one picture after the other.
    logits
        (2, K, H, W) of that network.
    masks
        (2, H, W) integer or bool, the class of each pixel.
    """
    with full_precision(features):
        maps = widened(features)
        others = class_prototypes(maps, widened(logits).softmax(dim=1)).flip(0)
        unit, prototypes = F.normalize(maps, dim=1), F.normalize(others, dim=2)
        similarity = torch.einsum("nchw,nkc->nkhw", unit, prototypes)
        return F.cross_entropy(similarity.softmax(dim=1), masks.long())


def class_prototypes(features: Tensor, shares: Tensor) -> Tensor:
    """Return the mean feature of each class: (N, C, H, W), (N, K, H, W) → (N, K, C).

    ``shares`` says how far a pixel belongs to a class.
    """
    sums = torch.einsum("nchw,nkhw->nkc", features, shares)
    return sums / (shares.sum(dim=(2, 3)).unsqueeze(2) + _EPSILON)
