"""The history of generated images that a discriminator is shown (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def exchange(
    memory: dict[str, Tensor], name: str, images: Tensor, size: int, generator: torch.Generator
) -> Tensor:
    """Return what the discriminator is to see in the place of freshly generated ``images``.

    While the pool holds fewer than ``size`` images, each is stored and shown. Then, with
    probability ½, a stored image drawn at random is shown and the fresh one takes its place.

    Parameters
    ----------
    memory, name
        Where the pool is kept: (n, 3, H, W), n at most ``size``; changed in place.
    images
        (B, 3, H, W).
    size
        0 keeps no pool.
    generator
        CPU source of the draws.

    Returns
    -------
    (B, 3, H, W) without gradient, of the same memory layout however the pool came about.
    """
    fresh = images.detach().contiguous()
    if not size:
        return fresh
    pool = memory.get(name, fresh[:0]).to(fresh.device)
    shown = []
    for image in fresh:
        if len(pool) < size:
            pool = torch.cat([pool, image[None]])
        elif torch.rand((), generator=generator) < 0.5:
            place = int(torch.randint(size, (), generator=generator))
            former = pool[place].clone()
            pool[place] = image
            image = former
        shown.append(image)
    memory[name] = pool
    return torch.stack(shown)
