"""Small slides and models with known properties, for tests of translation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.folder import Model, load_model, save_model
from napari_virtual_ihc.networks.ammfi import AmmfiConfig, AmmfiGenerator
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.radius import dependency_radius
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.unet import UnetConfig, UnetGenerator
from napari_virtual_ihc.slides.slide import Slide

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.tiles.producer import TileAddress
    from napari_virtual_ihc.translation.translator import Translator

Rgb = NDArray[np.uint8]
GLASS_UNTIL = 100
"""Columns left of this are glass in `tissue`."""


def tissue(height: int = 300, width: int = 280, seed: int = 0) -> Rgb:
    """Pink and violet texture whose colour drifts from left to right; glass at the left."""
    noise = np.random.default_rng(seed).standard_normal((2, height, width))
    fine = np.clip(ndimage.gaussian_filter(noise, (0, 2, 2)) * 4 + 1, 0.2, 3)
    drift = np.linspace(0.5, 1.6, width)[None, :, None]
    od = drift * (fine[0][..., None] * (0.05, 0.2, 0.1) + fine[1][..., None] * (0.2, 0.22, 0.09))
    od[:, :GLASS_UNTIL] = 0
    return (242 * 10.0**-od).astype(np.uint8)


class PixelSource:
    """One level over an array; pixels may be unreadable."""

    def __init__(self, image: Rgb, bad: NDArray[np.bool_] | None = None) -> None:
        self.image = image
        self.bad = np.zeros(image.shape[:2], np.bool_) if bad is None else bad
        self.shapes = ((image.shape[0], image.shape[1]),)
        self.tile_shapes = ((64, 64),)

    def read(self, level: int, y: int, x: int, h: int, w: int) -> tuple[Rgb, NDArray[np.bool_]]:
        return self.image[y : y + h, x : x + w].copy(), ~self.bad[y : y + h, x : x + w]


def slide_of(image: Rgb, mpp: float = 0.5, bad: NDArray[np.bool_] | None = None) -> Slide:
    return Slide("test", PixelSource(image, bad), mpp)


def resnet_model(folder: Path, config: ResnetConfig | None = None, **facts: Any) -> Model:
    config = config or ResnetConfig(ngf=4, n_blocks=1)
    network = ResnetGenerator(config)
    card = {"dependency_radius": dependency_radius(config), "tiling": "exact"}
    return _saved(folder, network, "resnet", describe(config), card | facts)


def unet_model(folder: Path, **facts: Any) -> Model:
    config = UnetConfig(ngf=4, n_downs=5, norm="instance")
    return _saved(
        folder, UnetGenerator(config), "unet", describe(config), {"tiling": "blended"} | facts
    )


def ammfi_model(folder: Path, config: AmmfiConfig | None = None, **facts: Any) -> Model:
    """An attended generator whose batch norms have seen tissue."""
    config = config or AmmfiConfig(ngf=4, n_blocks=1)
    network = AmmfiGenerator(config)
    initialise(network, "kaiming", generator=torch.Generator().manual_seed(3))
    seen = torch.from_numpy(tissue(256, 256 + GLASS_UNTIL)[:, GLASS_UNTIL:].transpose(2, 0, 1))
    with torch.no_grad():
        network.model[network.depth - 2].weight.mul_(0.1)
        for _ in range(40):
            network(seen[None] / 127.5 - 1)
    card = {"name": "small", "architecture": "ammfi", "arguments": describe(config)}
    card |= {"marker": "HER2", "mpp_in": 0.5, "mpp_out": 0.5, "tiling": "blended"}
    save_model(folder, ModelCard.model_validate(card | facts), network.state_dict())
    return load_model(folder)


def _saved(
    folder: Path, network: torch.nn.Module, name: str, arguments: Any, facts: dict[str, Any]
) -> Model:
    initialise(network, "kaiming", generator=torch.Generator().manual_seed(3))
    state = network.state_dict()
    last = [key for key in state if key.endswith("weight")][-1]
    state[last] *= 0.1
    card = {"name": "small", "architecture": name, "arguments": arguments, "marker": "Ki-67"}
    card |= {"mpp_in": 0.5, "mpp_out": 0.5}
    save_model(folder, ModelCard.model_validate(card | facts), state)
    return load_model(folder)


def whole(translator: Translator, blocks: list[tuple[TileAddress, ...]] | None = None) -> Rgb:
    """Every tile, pasted."""
    grid = translator.grid
    out = np.zeros((grid.height, grid.width, 4), np.uint8)
    for tiles in blocks or list(translator.plan.all_blocks()):
        for address, tile in translator.compute(translator.load(tiles)).items():
            assert isinstance(tile, np.ndarray), tile
            y, x, h, w = grid.box(address.row, address.col)
            out[y : y + h, x : x + w] = tile
    return out
