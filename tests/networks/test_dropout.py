from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_virtual_ihc.networks.dropout import Dropout, drawing_from, dropout_layers


def masked(p: float, seed: int, training: bool = False) -> torch.Tensor:
    layer = Dropout(p).train(training)
    layer.source = torch.Generator().manual_seed(seed)
    return layer(torch.full((1, 8, 64, 64), 3.0))


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_a_share_is_dropped_and_the_rest_keeps_the_mean(p: float) -> None:
    out = masked(p, 0)
    dropped = (out == 0).float().mean().item()
    assert dropped == pytest.approx(p, abs=5 * (p * (1 - p) / out.numel()) ** 0.5)
    assert out.max().item() == pytest.approx(3 / (1 - p), rel=1e-6)


def test_masks_follow_the_source_alone() -> None:
    first = masked(0.5, 1)
    torch.manual_seed(5)
    assert torch.equal(masked(0.5, 1, training=True), first)
    assert not torch.equal(masked(0.5, 2), first)
    layer, x = Dropout(0.5), torch.rand(1, 4, 8, 8)
    layer.source = torch.Generator().manual_seed(1)
    plain = layer(x)
    layer.source = torch.Generator().manual_seed(1)
    assert torch.equal(layer(x.contiguous(memory_format=torch.channels_last)), plain)


def test_without_a_source_it_is_torchs_dropout() -> None:
    x = torch.rand(1, 4, 8, 8)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    torch.manual_seed(3)
    ours = Dropout(0.5)(x)
    torch.manual_seed(3)
    assert torch.equal(ours, nn.Dropout(0.5)(x))


def test_a_network_draws_from_a_generator_while_the_context_lasts() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), Dropout(0.5), Dropout(0.5))
    x = torch.ones(1, 3, 8, 8)
    images = []
    for seed in (1, 1, 2):
        with drawing_from(network, torch.Generator().manual_seed(seed)):
            images.append(network(x))
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])
    assert all(layer.source is None for layer in dropout_layers(network))
