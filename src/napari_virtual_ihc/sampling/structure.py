"""What a picture shows whatever its stain: maps of structure that guide a diffusion (MIU-Diff)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

StructureProxy = Literal["gradient", "smoothed", "edges"]
_LUMINANCE = (0.299, 0.587, 0.114)
_EDGE = 0.3
_SMOOTHING = 2.0


def luminance(picture: Tensor) -> Tensor:
    """Return the luminance (ITU-R BT.601) of (N, 3, H, W), (N, 1, H, W) of the same range."""
    weights = picture.new_tensor(_LUMINANCE).view(1, 3, 1, 1)
    grey: Tensor = (picture * weights).sum(dim=1, keepdim=True)
    return grey


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Return maps (N, 1, H, W) after a Gaussian of ``sigma`` pixels, borders repeated."""
    reach = max(1, round(3 * sigma))
    places = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    weights = torch.exp(-0.5 * (places / sigma) ** 2)
    weights = weights / weights.sum()
    padded = F.pad(maps, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))


def sobel(maps: Tensor) -> Tensor:
    """Return the magnitude of the Sobel gradient of maps (N, 1, H, W), borders repeated."""
    across = maps.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    both = torch.stack([across, across.T]).unsqueeze(1)
    slopes = F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), both)
    return slopes.pow(2).sum(dim=1, keepdim=True).sqrt()


def gradient_map(picture: Tensor, sigma: float = 1.0) -> Tensor:
    """Return the Sobel magnitude of the blurred luminance, its 99th percentile being 1.

    A picture without any gradient has a map of zeros.

    Parameters
    ----------
    picture
        (N, 3, H, W) in [-1, 1].
    sigma
        Of the Gaussian before the derivative, pixels.

    Returns
    -------
    (N, 1, H, W) from 0 to 1.
    """
    found = sobel(blurred(luminance(picture), sigma))
    scale = found.flatten(1).kthvalue(max(1, round(0.99 * found[0].numel())), dim=1).values
    scaled = found / scale.view(-1, 1, 1, 1).clamp(min=1e-6)
    return scaled.clamp(0, 1)


def structure_map(picture: Tensor, proxy: StructureProxy = "gradient") -> Tensor:
    """Return the map of structure of pictures (N, 3, H, W) in [-1, 1], (N, 1, H, W) from 0 to 1.

    ``gradient`` is `gradient_map`; ``smoothed`` the luminance after a Gaussian of 2 px; ``edges``
    is 1 where the gradient map exceeds 0.3 and 0 elsewhere.
    """
    if proxy == "smoothed":
        return (blurred(luminance(picture), _SMOOTHING) + 1) / 2
    gradient = gradient_map(picture)
    return gradient if proxy == "gradient" else (gradient > _EDGE).to(gradient)


def rolled_views(maps: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return maps that no longer fit their picture, as if they were of another place.

    Each is rolled by at least a quarter of the side, at most three, along both axes, and mirrored
    along each axis half of the time.

    Parameters
    ----------
    maps
        (N, C, H, W), sides from 4.
    count
        K, views of each picture; all pictures are treated alike.
    generator
        CPU source of the offsets.

    Returns
    -------
    (N, K, C, H, W).
    """
    sides = maps.shape[2:]
    views = []
    for _ in range(count):
        offsets = [_between(side // 4, side - side // 4, generator) for side in sides]
        view = torch.roll(maps, offsets, dims=(2, 3))
        mirrored = [axis for axis in (2, 3) if _between(0, 1, generator)]
        views.append(view.flip(mirrored) if mirrored else view)
    return torch.stack(views, dim=1)


def _between(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))
