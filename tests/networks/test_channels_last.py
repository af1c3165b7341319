"""What training does in channels last and under autocast gives the numbers of the plain way."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from napari_virtual_ihc.networks.blur import Downsample, Upsample
from napari_virtual_ihc.networks.norm import FreezableInstanceNorm
from napari_virtual_ihc.networks.padding import ReflectionPad2d
from napari_virtual_ihc.networks.projection import PatchProjection, ProjectionConfig, gather
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.spectral import spectral

LAST = torch.channels_last


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("slope", [LAST, torch.contiguous_format])
def test_the_norm_and_its_gradient_are_those_of_each_sample(
    samples: int, slope: torch.memory_format
) -> None:
    x, weights = drawn(samples, 4, 9, 7) * 3 + 1, drawn(samples, 4, 9, 7, seed=1)
    ours = x.to(memory_format=LAST, copy=True).requires_grad_(True)
    out = FreezableInstanceNorm(4)(ours)
    out.backward(weights.to(memory_format=slope, copy=True))
    exact = x.double().requires_grad_(True)
    expected = F.instance_norm(exact)
    expected.backward(weights.double())
    torch.testing.assert_close(out, expected.float(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.grad, exact.grad.float(), rtol=1e-4, atol=1e-5)
    assert out.is_contiguous(memory_format=LAST)


def test_the_norm_of_bfloat16_has_float32_statistics() -> None:
    x = (drawn(2, 3, 64, 64) + 100).bfloat16().to(memory_format=LAST)
    out = FreezableInstanceNorm(3)(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), F.instance_norm(x.float()), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("layer", [Downsample(5), Upsample(5)])
@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_blurs_and_their_gradients_are_the_same_in_training(
    layer: torch.nn.Module, size: tuple[int, int]
) -> None:
    x = drawn(2, 5, *size).double()
    layer.double()
    found = []
    for mode in (True, False):
        image = x.clone().requires_grad_(True)
        out = layer.train(mode)(image)
        (slope,) = torch.autograd.grad((out * drawn(*out.shape, seed=2)).sum(), image)
        found.append((out, slope))
    torch.testing.assert_close(*found)


def test_only_convolutions_change_precision_under_autocast() -> None:
    x = drawn(1, 4, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        layers = (ReflectionPad2d(2), Downsample(4), Upsample(4), FreezableInstanceNorm(4))
        assert {layer(x).dtype for layer in layers} == {torch.bfloat16}


def test_spectral_norm_is_the_same_under_autocast() -> None:
    torch.manual_seed(0)
    conv = spectral(torch.nn.Conv2d(4, 6, 3))
    start = {key: value.clone() for key, value in conv.state_dict().items()}
    with torch.autocast("cpu", torch.bfloat16):
        inside = conv.effective_weight()
    conv.load_state_dict(start)
    assert torch.equal(inside, conv.effective_weight())


def test_patches_are_gathered_alike_from_both_layouts() -> None:
    x, ids = drawn(2, 3, 4, 5), torch.tensor([7, 0, 19])
    expected = torch.stack([x[n, :, i // 5, i % 5] for n in range(2) for i in ids])
    for layout in (LAST, torch.contiguous_format):
        image = x.to(memory_format=layout, copy=True).requires_grad_(True)
        patches = gather(image, ids)
        assert torch.equal(patches, expected)
        (slope,) = torch.autograd.grad(patches.sum(), image)
        assert slope.is_contiguous(memory_format=layout)
        assert slope.sum() == 2 * 3 * 3


def test_patch_vectors_are_unit_vectors_under_autocast() -> None:
    head = PatchProjection(ProjectionConfig((3,), width=8))
    with torch.autocast("cpu", torch.bfloat16):
        (vectors,) = head([drawn(2, 3, 4, 5)], [torch.arange(20)])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(40), rtol=1e-5, atol=1e-5)


def test_a_whole_generator_gives_the_same_gradients_in_either_layout() -> None:
    torch.manual_seed(0)
    network = ResnetGenerator(ResnetConfig(ngf=4, n_blocks=1))
    slopes = []
    for layout in (LAST, torch.contiguous_format):
        image = drawn(2, 3, 32, 32).to(memory_format=layout)
        network.zero_grad()
        (network(image) * drawn(2, 3, 32, 32, seed=1)).sum().backward()
        slopes.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    most = max(slope.abs().max().item() for slope in slopes[1])
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-3, atol=1e-5 * most)
