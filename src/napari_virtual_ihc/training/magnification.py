"""Crops at four magnifications: as they are, the whole picture, and enlarged twice or four times.

The multi-magnification strategy of the AMMFI paper shows a generator one tissue at several scales.
What is smaller than a crop is enlarged by a super-resolution network, which is the paper's way, or
by bicubic interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_virtual_ihc.training.augment import Resize, bicubic

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from napari_virtual_ihc.methods.recipe import Magnification


@dataclass(frozen=True)
class View:
    """What part of a picture becomes a crop.

    Attributes
    ----------
    factor
        How many times it is enlarged; None takes the whole picture, whatever its size.
    """

    factor: int | None

    @property
    def enlarges(self) -> bool:
        """Whether a crop has more pixels than the part it is made of."""
        return self.factor is not None and self.factor > 1

    def side(self, shape: tuple[int, ...], crop: int) -> int:
        """Return the side, in pixels, of the part of a picture of ``shape`` (h, w, …).

        The whole of a picture that is not square is the largest square in it.
        """
        return min(shape[:2]) if self.factor is None else max(1, crop // self.factor)


VIEWS = (View(1), View(None), View(2), View(4))
"""In the order of `Magnification.probabilities`."""


def draw_view(settings: Magnification, rng: np.random.Generator) -> View:
    """Draw how one item is shown; nothing is drawn where the pictures' own scale is asked for."""
    if settings.sampling == "native":
        return VIEWS[0]
    return VIEWS[int(rng.choice(len(VIEWS), p=settings.probabilities))]


class SuperResolution:
    """Enlarges RGB pictures by a network, as often as it takes, then to the exact side by bicubic.

    Parameters
    ----------
    network
        From (1, 3, H, W) in [0, 1] to the same some times larger; in eval mode.
    device
        Where it runs.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._device = device
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, square: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
        """Return the (h, h, 3) picture ``square`` as (side, side, 3) uint8."""
        while len(square) < side:
            square = self._enlarged(square)
        return square if len(square) == side else bicubic(square, side)

    @torch.inference_mode()
    def _enlarged(self, square: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pixels = torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1)))[None]
        image = self._network(pixels.to(self._device).float().div_(255))[0]
        levels = image.clamp(0, 1).mul(255).round().to(torch.uint8)
        array: NDArray[np.uint8] = levels.permute(1, 2, 0).cpu().numpy()
        return array


def enlarger(settings: Magnification, device: torch.device) -> Resize:
    """Return what enlarges crops.

    Raises
    ------
    ModelError
        If the recipe names a super-resolution network that cannot be used.
    """
    if settings.sampling == "native" or settings.enlarger is None:
        return bicubic
    from napari_virtual_ihc.models.super_resolution import load_super_resolution

    return SuperResolution(load_super_resolution(settings.enlarger), device)


def magnification_notes(settings: Magnification) -> tuple[str, ...]:
    """Return the sentence of a model card on the scales its crops were shown at, if several."""
    if settings.sampling == "native":
        return ()
    by = "bicubic interpolation, not by the paper's super-resolution network"
    if settings.enlarger is not None:
        from napari_virtual_ihc.models.super_resolution import super_resolution_hash

        digest = super_resolution_hash(settings.enlarger)
        by = f"the super-resolution network whose weights have the SHA-256 {digest}"
    chances = ", ".join(f"{chance:g}" for chance in settings.probabilities)
    return (
        "Crops were shown as they are, as the whole picture, enlarged twice and four times, with "
        f"chances of {chances}; they were enlarged by {by}.",
    )
