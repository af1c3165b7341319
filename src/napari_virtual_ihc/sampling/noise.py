"""Noise as a function of the place on the slide, so that it is the same in whatever tile.

Bits are Philox4x32-10 (Salmon et al. 2011) of the counter (x, y, step, stream): integers, so they
are exact on every device. Numbers come from tables of the normal distribution's quantiles with one
multiplication and one addition: no function that a device may round in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from napari_virtual_ihc.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

START = 0
"""Stream of the noise that the start point and the perturbed source share."""
FRESH = 1
"""Stream of the noise that reverse steps add."""
_MASK = 0xFFFFFFFF
_HALF = 1 << 16
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_CHANNELS = 4


@dataclass(frozen=True)
class NoiseField:
    """Standard normal noise over the whole plane of a slide at one scale.

    Parameters
    ----------
    key
        64 bits; see `of`.
    """

    key: int

    @classmethod
    def of(cls, seed: int, slide: str, mpp: float) -> NoiseField:
        """Return the field of a seed, a slide (its fingerprint) and a scale (µm/px)."""
        text = f"{seed}/{slide}/{round(mpp * 1e6)}"
        return cls(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little"))

    def draw(
        self,
        step: int,
        y: int,
        x: int,
        h: int,
        w: int,
        *,
        stream: int = FRESH,
        channels: int = 3,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return the noise of a window, (channels, h, w) float32.

        Parameters
        ----------
        step
            Index of the step it is for.
        y, x
            First row and column on the slide's grid; may be negative.
        stream
            `START` or `FRESH`, or another number for noise of another purpose.

        Raises
        ------
        UsageError
            For more than four channels.
        """
        if not 1 <= channels <= _CHANNELS:
            raise UsageError(f"A noise field has up to {_CHANNELS} channels, not {channels}.")
        rows = torch.arange(y, y + h, device=device).view(h, 1).expand(h, w)
        columns = torch.arange(x, x + w, device=device).view(1, w).expand(h, w)
        flat = torch.zeros(h, w, dtype=torch.int64, device=device)
        counter = (columns & _MASK, rows & _MASK, flat + (step & _MASK), flat + (stream & _MASK))
        words = philox(counter, (self.key & _MASK, (self.key >> 32) & _MASK))
        return torch.stack([normal(word) for word in words[:channels]])


def philox(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return four 32-bit words per counter, all int64 tensors of one shape (Philox4x32-10)."""
    a, b, c, d = counter
    low, high = key
    for _ in range(_ROUNDS):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b = (second >> 32) & _MASK ^ b ^ low, second & _MASK
        c, d = (first >> 32) & _MASK ^ d ^ high, first & _MASK
        low, high = (low + _WEYL[0]) & _MASK, (high + _WEYL[1]) & _MASK
    return a, b, c, d


def normal(words: Tensor) -> Tensor:
    """Return the standard normal quantile of 32-bit words (int64), float32.

    The upper 16 bits choose an interval of equal probability and the lower 16 the place in it,
    linearly; in the two outermost intervals the lower bits have a table of their own.
    """
    edges, tail = _tables(words.device)
    coarse, fine = words >> 16, words & (_HALF - 1)
    left = edges[coarse]
    share = fine.to(torch.float32) * (1.0 / _HALF)
    inner = left + (edges[coarse + 1] - left) * share
    lowest = torch.where(coarse == 0, tail[fine], inner)
    return torch.where(coarse == _HALF - 1, -tail[_HALF - 1 - fine], lowest)


@lru_cache(maxsize=4)
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the quantiles of k / 2¹⁶ (ends finite), and those of the lowest interval's parts."""
    edges = ndtri(np.arange(_HALF + 1) / _HALF)
    edges[0], edges[-1] = edges[1], edges[-2]
    tail = ndtri((np.arange(_HALF) + 0.5) / _HALF / _HALF)
    return _placed(edges, device), _placed(tail, device)


def _placed(table: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(table.astype(np.float32)).to(device)
