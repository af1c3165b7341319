from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.registry import configure, describe, expected_shapes
from napari_virtual_ihc.networks.rrdbnet import DenseBlock, Rrdbnet, RrdbnetConfig


@pytest.mark.parametrize(("scale", "expected"), [(4, 16_697_987), (2, 16_661_059)])
def test_the_published_sizes_and_keys(scale: int, expected: int) -> None:
    shapes = expected_shapes("rrdbnet", {"scale": scale})
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == expected
    assert shapes["RRDB_trunk.22.RDB3.conv5.weight"] == (64, 192, 3, 3)
    assert ("upconv2.weight" in shapes) == (scale == 4)
    assert {"conv_first.weight", "trunk_conv.bias", "HRconv.weight", "conv_last.bias"} <= set(
        shapes
    )


@pytest.mark.parametrize("scale", [2, 4])
def test_the_image_grows_by_the_scale(scale: int) -> None:
    config = RrdbnetConfig(width=4, n_blocks=2, growth=2, scale=scale)  # type: ignore[arg-type]
    assert configure("rrdbnet", describe(config)) == config
    assert Rrdbnet(config)(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


def test_a_dense_block_sees_all_before_it() -> None:
    block, x = DenseBlock(3, 2), torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    seen = x
    for n in range(1, 5):
        conv = block.get_submodule(f"conv{n}")
        seen = torch.cat([seen, F.leaky_relu(conv(seen), 0.2)], dim=1)
    torch.testing.assert_close(block(x), x + 0.2 * block.get_submodule("conv5")(seen))


def test_impossible_shapes_are_refused() -> None:
    for wrong, said in (({"scale": 3}, "scale"), ({"n_blocks": 0}, "n_blocks")):
        with pytest.raises(ModelError, match=said):
            configure("rrdbnet", wrong)
