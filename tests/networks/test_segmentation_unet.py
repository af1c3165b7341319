"""PSPStain's segmentation network: published keys, any size, a safe way in for its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_virtual_ihc.errors import CheckpointError, ModelError
from napari_virtual_ihc.models.segmentation_prior import (
    load_segmentation_prior,
    segmentation_prior_hash,
)
from napari_virtual_ihc.networks.registry import configure, describe, expected_shapes
from napari_virtual_ihc.networks.segmentation_unet import SegmentationUnet, SegmentationUnetConfig

if TYPE_CHECKING:
    from pathlib import Path

SMALL = SegmentationUnetConfig((2, 3, 4, 5, 6), (0.0, 0.1, 0.0, 0.0, 0.5))


def test_the_published_keys_and_shapes() -> None:
    shapes = expected_shapes("segmentation-unet", {})
    assert shapes["encoder.in_conv.conv_conv.0.weight"] == (32, 3, 3, 3)
    assert shapes["encoder.down4.maxpool_conv.1.conv_conv.4.weight"] == (256, 256, 3, 3)
    assert shapes["encoder.down1.maxpool_conv.1.conv_conv.5.running_var"] == (32,)
    assert shapes["decoder1.up1.conv1x1.weight"] == (128, 256, 1, 1)
    assert shapes["decoder1.up1.conv.conv_conv.0.weight"] == (128, 256, 3, 3)
    assert shapes["decoder1.up4.conv.conv_conv.1.num_batches_tracked"] == ()
    assert shapes["decoder1.out_conv.bias"] == (2,)
    assert {key.split(".")[0] for key in shapes} == {"encoder", "decoder1"}


def test_logits_come_from_features_at_full_resolution() -> None:
    network = SegmentationUnet(SMALL).eval()
    assert configure("segmentation-unet", describe(SMALL)) == SMALL
    for size in ((32, 48), (36, 52), (16, 17)):
        images = torch.zeros(2, 3, *size)
        features, logits = network.segment(images)
        assert features.shape == (2, 2, *size)
        assert torch.equal(logits, network(images))
        assert logits.shape == (2, 2, *size)


@pytest.mark.parametrize(
    "wrong", [{"widths": [0, 1, 1, 1, 1]}, {"dropout": [0, 0, 0, 0, 1]}, {"classes": 1}]
)
def test_impossible_shapes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=next(iter(wrong))):
        configure("segmentation-unet", wrong)


def test_a_published_file_is_read_frozen(tmp_path: Path) -> None:
    made = SegmentationUnet(SMALL)
    made(torch.rand(2, 3, 32, 32))
    path = tmp_path / "BCI_unet_seg.pth"
    torch.save(made.state_dict(), path)
    network = load_segmentation_prior(path)
    assert network.config.widths == SMALL.widths
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    for key, value in made.state_dict().items():
        assert torch.equal(network.state_dict()[key], value)
    assert len(segmentation_prior_hash(path)) == 64


def test_files_of_other_networks_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model.1.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(CheckpointError, match=r"net\.pth is no segmentation prior.*in_conv"):
        load_segmentation_prior(path)
    state = SegmentationUnet(SMALL).state_dict()
    del state["decoder1.up2.conv1x1.bias"]
    torch.save(state, path)
    with pytest.raises(ModelError, match=r"missing decoder1\.up2\.conv1x1\.bias"):
        load_segmentation_prior(path)
    three = SegmentationUnet(SegmentationUnetConfig(SMALL.widths, classes=3))
    torch.save(three.state_dict(), path)
    with pytest.raises(ModelError, match="tells 3 classes"):
        load_segmentation_prior(path)
