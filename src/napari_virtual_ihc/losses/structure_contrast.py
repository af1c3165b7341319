"""The structure contrast of VSMT: a cell must know its own structure from a destroyed one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.losses.matching import cosines
from napari_virtual_ihc.losses.similarity import widened


def structure_contrast(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    temperature: float = 0.15,
    negative_temperature: float | None = None,
    margin: float = 1.2,
) -> Tensor:
    """Return mean_i −log(e^{p_i/τ} / (e^{p_i/τ} + Σ_k e^{(n_ik − m)/τ⁻})), a scalar.

    p_i is the cosine of the anchor and the positive in cell i, n_ik that of the anchor in cell i
    and the negative in any cell k of the same image.

    Parameters
    ----------
    anchor, positive, negative
        (N, C, h, w) vectors per cell, of any length.
    temperature, negative_temperature
        τ and τ⁻, equal where the second is not given.
    margin
        m, taken off the negatives' similarity as published, which weakens them.
    """
    a, p, n = (widened(cells).flatten(2) for cells in (anchor, positive, negative))
    own = (F.normalize(a, dim=1) * F.normalize(p, dim=1)).sum(dim=1) / temperature
    colder = temperature if negative_temperature is None else negative_temperature
    others = torch.logsumexp((cosines(a, n) - margin) / colder, dim=2)
    return F.softplus(others - own).mean()
