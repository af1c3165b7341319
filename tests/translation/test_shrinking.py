from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.folding import fold_statistics
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.norm_statistics import pooled_statistics
from napari_virtual_ihc.networks.radius import halo
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation.backends.openvino_backend import OpenVinoBackend
from napari_virtual_ihc.translation.backends.shrinking import shrinking
from napari_virtual_ihc.translation.backends.torch_backend import TorchBackend

LAYOUTS = [
    ResnetConfig(ngf=4, n_blocks=n, n_downsampling=halvings, antialias=down, antialias_up=up)
    for n, halvings in ((2, 2), (1, 3))
    for down in (True, False)
    for up in (True, False)
]


def folded(config: ResnetConfig) -> torch.nn.Module:
    network = ResnetGenerator(config).eval()
    initialise(network, "kaiming", generator=torch.Generator().manual_seed(1))
    return fold_statistics(network, pooled_statistics(network, noise(64)))


def noise(side: int, width: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(1, 3, side, width or side, generator=generator) * 2 - 1


@pytest.mark.parametrize("config", LAYOUTS)
def test_equals_the_padded_network_inside_the_margin(config: ResnetConfig) -> None:
    network, margin = folded(config), halo(config)
    image = noise(96 + 2 * margin, 64 + 2 * margin)
    with torch.inference_mode():
        expected = network(image)[:, :, margin:-margin, margin:-margin]
        found = shrinking(network, margin)(image)
    assert found.shape == (1, 3, 96, 64)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("config", LAYOUTS[:4])
@pytest.mark.parametrize("kind", ["torch", "openvino"])
def test_a_window_cut_into_forwards_has_the_same_bytes(config: ResnetConfig, kind: str) -> None:
    margin = halo(config)
    network = shrinking(folded(config), margin)
    backend = TorchBackend(network) if kind == "torch" else OpenVinoBackend(network)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, *(128 + 2 * margin,) * 2), np.uint8)
    expected = backend.run(pixels, cancelled=never)
    for y, x, h, w in ((0, 0, 64, 128), (64, 32, 64, 96), (32, 64, 32, 32)):
        part = pixels[:, :, y : y + h + 2 * margin, x : x + w + 2 * margin]
        found = backend.run(part, cancelled=never)
        np.testing.assert_array_equal(found, expected[:, :, y : y + h, x : x + w])


def test_refuses_a_margin_under_the_reach() -> None:
    config = LAYOUTS[0]
    with pytest.raises(ModelError, match="smaller than the network's"):
        shrinking(folded(config), halo(config) - 4)
