"""Views of a picture that keep or destroy its structure, and its brightness (VSMT).

All take (N, 3, H, W) in [-1, 1]; whatever is drawn comes from a CPU generator, so that a view is
the same on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_virtual_ihc.errors import DataError

_EPS = 1e-6


def with_brightness(images: Tensor, target: float = 0.0) -> Tensor:
    """Return images whose mean is ``target``, multiplied in [0, 1] and clamped there.

    The factor of each image is (target + 1) / 2 / (mean + 10⁻⁶).
    """
    light = (images + 1) / 2
    mean = light.mean(dim=(1, 2, 3), keepdim=True)
    return (light * ((target + 1) / 2 / (mean + _EPS))).clamp(0, 1) * 2 - 1


def elastic(images: Tensor, alpha: float, generator: torch.Generator) -> Tensor:
    """Return images bent by smooth noise, as kornia's elastic transform does.

    Uniform noise in [-1, 1] is blurred by a Gaussian of side / 16 px, cut off there (32 px at 512,
    kernel 63), and, times ``alpha``, moves each pixel by that share of half the picture.
    """
    count, _, height, width = images.shape
    noise = torch.rand(count, 2, height, width, generator=generator) * 2 - 1
    field = _blurred(noise.to(images), max(1.0, min(height, width) / 16)) * alpha
    y, x = (
        torch.linspace(-1, 1, side, device=images.device, dtype=images.dtype)
        for side in (height, width)
    )
    still = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    places = (still + field.permute(0, 2, 3, 1)).clamp(-1, 1)
    return F.grid_sample(images, places, mode="bilinear", align_corners=True)


def _blurred(field: Tensor, sigma: float) -> Tensor:
    reach = max(1, round(sigma) - 1)
    at = torch.arange(-reach, reach + 1, device=field.device, dtype=field.dtype)
    line = torch.exp(-0.5 * (at / sigma) ** 2)
    line = (line / line.sum()).expand(field.shape[1], 1, 1, -1)
    padded = F.pad(field, (reach,) * 4, mode="reflect")
    rows = F.conv2d(padded, line, groups=field.shape[1])
    return F.conv2d(rows, line.transpose(2, 3), groups=field.shape[1])


def patches_turned(images: Tensor, grid: int, generator: torch.Generator) -> Tensor:
    """Return images whose ``grid`` × ``grid`` patches are turned, mirrored or erased in place.

    Each patch is turned by a multiple of 90 degrees, then mirrored, then erased (a quarter of it,
    to its mean colour), each with probability ½. Pictures are square.

    Raises
    ------
    DataError
        If the pictures are not square or do not divide into the grid.
    """
    side = _square_side(images, grid)
    out = images.clone()
    for number in range(len(images) * grid * grid):
        image, place = divmod(number, grid * grid)
        y, x = (step * side for step in divmod(place, grid))
        patch = out[image, :, y : y + side, x : x + side]
        patch.copy_(_changed(patch.clone(), generator))
    return out


def _changed(patch: Tensor, generator: torch.Generator) -> Tensor:
    turns, *corner = torch.randint(0, 1 << 30, (3,), generator=generator).tolist()
    turn, mirror, erase = (torch.rand(3, generator=generator) < 0.5).tolist()
    patch = torch.rot90(patch, 1 + turns % 3, (1, 2)) if turn else patch
    patch = patch.flip(2) if mirror else patch
    if erase:
        half = patch.shape[1] // 2
        y, x = (value % (half + 1) for value in corner)
        patch = patch.clone()
        patch[:, y : y + half, x : x + half] = patch.mean(dim=(1, 2), keepdim=True)
    return patch


def pixels_shuffled(images: Tensor, order: Tensor) -> Tensor:
    """Return images whose pixels are permuted within each square patch, alike in all patches.

    Parameters
    ----------
    order
        Permutation of the patch's pixels, row by row: pixel q becomes pixel order[q] of its patch;
        its length is the square of the patch's side.

    Raises
    ------
    DataError
        If the pictures are not square or do not divide into such patches.
    """
    patch = round(len(order) ** 0.5)
    count, channels, height, width = images.shape
    if height % patch or width % patch:
        raise DataError(f"Pictures of {height} × {width} px do not divide into {patch} px patches.")
    columns = F.unfold(images, patch, stride=patch)
    columns = columns.view(count, channels, patch * patch, -1)[:, :, order.to(images.device)]
    return F.fold(columns.flatten(1, 2), (height, width), patch, stride=patch)


def low_passed(images: Tensor, cutoff: float) -> Tensor:
    """Return the magnitude of images without frequencies beyond ``cutoff`` of the shorter side.

    Kept are frequencies (fy, fx), in cycles per picture, with fy² + fx² ≤ ⌊min(H, W) · cutoff⌋².
    The magnitude is as published: what is darker than mid-grey is mirrored to above it.
    """
    height, width = images.shape[2:]
    radius = int(min(height, width) * cutoff)
    fy, fx = (
        torch.fft.fftfreq(side, 1 / side, device=images.device).square() for side in (height, width)
    )
    kept = fy.unsqueeze(1) + fx <= radius**2
    passed: Tensor = torch.fft.ifft2(torch.fft.fft2(images) * kept).abs()
    return passed


def _square_side(images: Tensor, grid: int) -> int:
    height, width = images.shape[2:]
    if height != width or height % grid:
        raise DataError(f"Pictures of {height} × {width} px do not divide into {grid} × {grid}.")
    return int(height // grid)
