from __future__ import annotations

import json

import pytest
import torch

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.blur import (
    BilinearUpsample,
    BoxDownsample,
    Downsample,
    Upsample,
)
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.projection import (
    PatchProjection,
    ProjectionConfig,
    sample_ids,
    unit_vectors,
)
from napari_virtual_ihc.networks.registry import build, configure, describe
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator, tap_channels
from napari_virtual_ihc.networks.unet import UnetConfig, UnetGenerator


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(("blocks", "expected"), [(6, 7_837_699), (9, 11_378_179)])
def test_published_generator_sizes(antialias: bool, blocks: int, expected: int) -> None:
    config = ResnetConfig(n_blocks=blocks, antialias=antialias, antialias_up=antialias)
    assert parameters(ResnetGenerator(config)) == expected


def test_batch_norm_generator_has_the_published_size() -> None:
    config = ResnetConfig(n_blocks=9, norm="batch", antialias=False, antialias_up=False)
    assert parameters(ResnetGenerator(config)) == 11_383_427


def test_asp_discriminator_has_the_published_size_and_output() -> None:
    network = PatchGan(PatchGanConfig(ndf=32, n_layers=5))
    assert parameters(network) == 2_791_905
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 512, 512)).shape == (1, 1, 14, 14)


def test_basic_discriminator_gives_thirty_patches_a_side() -> None:
    network = PatchGan(PatchGanConfig(ndf=4))
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_shifts_the_second_convolution(dropout: float) -> None:
    keys = ResnetGenerator(ResnetConfig(ngf=2, n_blocks=1, dropout=dropout)).state_dict()
    second = 6 if dropout else 5
    assert f"model.12.conv_block.{second}.weight" in keys


def test_blur_filters_give_the_worked_values() -> None:
    image = torch.arange(16.0).view(1, 1, 4, 4)
    torch.testing.assert_close(
        Downsample(1)(image)[0, 0], torch.tensor([[2.5, 4.0], [8.5, 10.0]]), rtol=0, atol=1e-6
    )
    wide = Upsample(1)(image)[0, 0]
    first = torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    torch.testing.assert_close(wide[0], first, rtol=0, atol=1e-6)
    torch.testing.assert_close(wide[-1], 12 + first, rtol=0, atol=1e-6)
    starts = torch.tensor([0.0, 1, 3, 5, 7, 9, 11, 12])
    torch.testing.assert_close(wide[:, 0], starts, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 6), (7, 9), (32, 4)])
def test_box_and_bilinear_equal_the_blur_filters(shape: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(BoxDownsample()(image), Downsample(3)(image), rtol=0, atol=1e-6)
    torch.testing.assert_close(BilinearUpsample()(image), Upsample(3)(image), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("resnet", ResnetConfig(ngf=3, n_blocks=2, dropout=0.2, antialias_up=False)),
        ("unet", UnetConfig(ngf=2, n_downs=7)),
        ("patchgan", PatchGanConfig(ndf=2, layout="pixel")),
        ("projection", ProjectionConfig((3, 4), width=5)),
    ],
)
def test_configurations_round_trip_through_json(name: str, config: object) -> None:
    arguments = json.loads(json.dumps(describe(config)))
    assert configure(name, arguments) == config
    assert build(name, arguments).config == config


@pytest.mark.parametrize(
    ("name", "arguments", "named"),
    [
        ("transformer", {}, "transformer"),
        ("resnet", {"nfg": 3}, "nfg"),
        ("resnet", {"ngf": "many"}, "ngf"),
        ("resnet", {"ngf": 0}, "ngf"),
        ("resnet", {"norm": "layer"}, "norm"),
        ("unet", {"n_downs": 2}, "n_downs"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ModelError, match=named):
        build(name, arguments)


def test_taps_must_ascend() -> None:
    network = ResnetGenerator(ResnetConfig(ngf=2, n_blocks=1))
    for taps in ([4, 0], [], [4, 4], [99]):
        with pytest.raises(ModelError, match="taps"):
            network.features(torch.zeros(1, 3, 16, 16), taps)


def test_whole_features_end_with_the_image() -> None:
    network = ResnetGenerator(ResnetConfig(ngf=2, n_blocks=1)).eval()
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        *features, out = network.features(image, [0, 4], whole=True)
        torch.testing.assert_close(out, network(image))
    assert [f.shape[1] for f in features] == list(tap_channels(network.config, [0, 4]))


def test_unet_refuses_sides_it_cannot_halve() -> None:
    network = UnetGenerator(UnetConfig(ngf=2, n_downs=5))
    with pytest.raises(ModelError, match="32"):
        network(torch.zeros(1, 3, 48, 32))


def test_patch_positions_are_distinct_and_shared_by_the_batch() -> None:
    features = [torch.rand(2, 3, 6, 6), torch.rand(2, 5, 3, 3)]
    ids = sample_ids(features, 12, torch.Generator().manual_seed(0))
    assert [len(set(i.tolist())) for i in ids] == [12, 9]
    out = PatchProjection(ProjectionConfig((3, 5), width=4))(features, ids)
    assert [tuple(o.shape) for o in out] == [(24, 4), (18, 4)]


def test_zero_features_have_a_finite_gradient() -> None:
    zero = torch.zeros(2, 4, requires_grad=True)
    unit_vectors(zero).sum().backward()
    assert zero.grad is not None
    assert bool(zero.grad.isfinite().all())
