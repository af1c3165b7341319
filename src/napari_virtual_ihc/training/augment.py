"""Random changes to a crop: geometry shared by the pair, appearance of the H&E alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_virtual_ihc.stains.optical_density import to_od
from napari_virtual_ihc.stains.vectors import EOSIN, HEMATOXYLIN
from napari_virtual_ihc.training.jitter import Jitter, draw_jitter

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.recipe import Augmentation

Resize = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]
"""From an (h, h, 3) picture and a side to a (side, side, 3) one."""


@dataclass(frozen=True)
class Geometry:
    """Where a crop is cut and how it is turned; one draw serves both pictures of a pair.

    Attributes
    ----------
    y, x
        Corner, pixels.
    side
        Side of the square that is cut; it is resampled to the crop's side.
    mirrored
        Left and right swapped.
    turns
        Turns by 90 degrees.
    """

    y: int
    x: int
    side: int
    mirrored: bool
    turns: int


@dataclass(frozen=True)
class Appearance:
    """How the H&E of a crop is changed.

    Attributes
    ----------
    amounts
        Factors of hematoxylin, eosin and of what neither explains.
    vectors
        The three stains' new unit vectors, rows, optical density.
    light
        Optical density added to red, green and blue.
    sigma
        Standard deviation of the focus blur, pixels.
    sharpen
        Amount of unsharp masking.
    noise
        Standard deviation of sensor noise, grey levels.
    jitter
        Changes of colour at the end.
    """

    amounts: NDArray[np.float32]
    vectors: NDArray[np.float32]
    light: NDArray[np.float32]
    sigma: float
    sharpen: float
    noise: float
    jitter: Jitter


def draw_geometry(
    shape: tuple[int, ...], crop: int, settings: Augmentation, rng: np.random.Generator
) -> Geometry:
    """Draw where to cut a crop of ``crop`` px from a picture of ``shape`` (h, w, …) px."""
    height, width = shape[:2]
    zoom = np.exp(rng.uniform(-1, 1) * np.log1p(settings.scale))
    side = int(min(height, width, max(min(8, crop), round(crop * zoom))))
    y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    mirrored = settings.flip and bool(rng.random() < 0.5)
    turns = int(rng.integers(0, 4)) if settings.turn else 0
    return Geometry(int(y), int(x), side, mirrored, turns)


def bicubic(square: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return (h, h, 3) as (side, side, 3) uint8, bicubic with antialiasing, as Pillow does it."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(square))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def cut(
    picture: NDArray[np.uint8], geometry: Geometry, crop: int, resize: Resize = bicubic
) -> NDArray[np.uint8]:
    """Return the crop, (crop, crop, 3) uint8, by ``resize`` where it is zoomed."""
    y, x, side = geometry.y, geometry.x, geometry.side
    square = picture[y : y + side, x : x + side]
    if side != crop:
        square = resize(square, crop)
    square = square[:, ::-1] if geometry.mirrored else square
    return np.rot90(square, geometry.turns)


_STAINS = np.array([HEMATOXYLIN, EOSIN], dtype=np.float64)


def _with_residual(stains: NDArray[np.float64]) -> NDArray[np.float64]:
    units = stains / np.linalg.norm(stains, axis=1, keepdims=True)
    residual = np.cross(units[0], units[1])
    return np.vstack([units, residual / np.linalg.norm(residual)])


def draw_appearance(settings: Augmentation, rng: np.random.Generator) -> Appearance:
    """Draw one appearance: amounts and colours of the stains, lamp, focus, sensor, jitter."""
    amounts = np.exp(rng.normal(0, 1, 3) * settings.stain * [1.0, 1.0, 0.5])
    stains = np.abs(_STAINS + rng.normal(0, 1, (2, 3)) * settings.hue)
    light = rng.normal(0, 1, 3) * settings.light * 0.5 + rng.normal() * settings.light
    blurred = rng.random() < 0.5
    return Appearance(
        amounts.astype(np.float32),
        _with_residual(stains).astype(np.float32),
        light.astype(np.float32),
        float(rng.uniform(0, settings.blur)) if blurred else 0.0,
        0.0 if blurred else float(rng.uniform(0, settings.sharpen)),
        float(rng.uniform(0, settings.noise)),
        draw_jitter(settings, rng),
    )


_UNMIX = np.linalg.inv(_with_residual(_STAINS)).astype(np.float32)


def restain(
    rgb: NDArray[np.uint8], look: Appearance, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the H&E crop as another laboratory and scanner would show it, without the jitter.

    Parameters
    ----------
    rgb
        (h, w, 3) uint8.

    Returns
    -------
    (h, w, 3) float32, 0 to 255.
    """
    amounts = to_od(rgb) @ _UNMIX
    od = (amounts * look.amounts) @ look.vectors + look.light
    image = 256 * np.power(10.0, -od, dtype=np.float32) - 1
    if look.sigma > 0:
        image = ndimage.gaussian_filter(image, (look.sigma, look.sigma, 0))
    if look.sharpen > 0:
        image = image + look.sharpen * (image - ndimage.gaussian_filter(image, (1, 1, 0)))
    image = image + look.noise * rng.standard_normal(image.shape, dtype=np.float32)
    clipped: NDArray[np.float32] = np.clip(image, 0, 255)
    return clipped
