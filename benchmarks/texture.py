"""What the translation benchmarks share: a slide that is tissue all over, and random generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
import torch
from scipy import ndimage

from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.folder import Model, load_model, save_model
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.radius import dependency_radius
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.slides.open import open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.slides.slide import Slide

MPP = 0.5


def tissue_slide(folder: Path, height: int, width: int) -> Slide:
    """Return a tiled JPEG TIFF of pink and violet texture without glass, at `MPP`."""
    noise = np.random.default_rng(0).standard_normal((2, height, width), np.float32)
    amount = np.clip(ndimage.gaussian_filter(noise, (0, 3, 3)) * 8 + 1, 0.3, 3)
    od = amount[0][..., None] * (0.05, 0.2, 0.1) + amount[1][..., None] * (0.2, 0.22, 0.09)
    path = folder / f"{height}x{width}.tif"
    tifffile.imwrite(
        path, (242 * 10.0**-od).astype(np.uint8), photometric="rgb", tile=(256, 256),
        compression="jpeg", metadata=None,
    )  # fmt: skip
    return open_slide(path, MPP)


def random_model(folder: Path, *, ngf: int, blocks: int) -> Model:
    """Return an antialiased ResNet generator with random weights."""
    config = ResnetConfig(ngf=ngf, n_blocks=blocks)
    network = ResnetGenerator(config)
    initialise(network, "kaiming", generator=torch.Generator().manual_seed(0))
    card = ModelCard(
        name=f"random-{ngf}-{blocks}", architecture="resnet", arguments=describe(config),
        mpp_in=MPP, mpp_out=MPP, tiling="exact", dependency_radius=dependency_radius(config),
    )  # fmt: skip
    return load_model(save_model(folder / card.name, card, network.state_dict()))
