from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.folding import fold_spectral, fold_statistics
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.norm import FreezableInstanceNorm, LayerStatistics
from napari_virtual_ihc.networks.norm_statistics import (
    freeze_statistics,
    norm_layers,
    observing,
    pooled_statistics,
    thaw_statistics,
)
from napari_virtual_ihc.networks.radius import dependency_radius, halo
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.unet import UnetConfig, UnetGenerator

LAYOUTS = [
    ResnetConfig(ngf=6, n_blocks=2),
    ResnetConfig(ngf=6, n_blocks=2, antialias=False, antialias_up=False, dropout=0.5),
    ResnetConfig(ngf=6, n_blocks=1, antialias_up=False, spectral=True),
    ResnetConfig(ngf=4, n_blocks=1, antialias=False, n_downsampling=3),
    ResnetConfig(ngf=6, n_blocks=2, norm="batch"),
    UnetConfig(ngf=4, n_downs=5, norm="instance"),
    UnetConfig(ngf=4, n_downs=6, norm="batch", dropout=0.5),
]


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def network(config: ResnetConfig | UnetConfig) -> ResnetGenerator | UnetGenerator:
    made = ResnetGenerator(config) if isinstance(config, ResnetConfig) else UnetGenerator(config)
    initialise(made, "kaiming", generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, tensor in [*made.named_parameters(), *made.named_buffers()]:
            if tensor.dim() == 1 and name.endswith(("bias", "running_mean")):
                tensor.normal_(0, 0.1, generator=generator)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
    if getattr(config, "spectral", False):
        for _ in range(5):
            made.train()(image(1, 3, 16, 16))
    return made.eval()


def statistics(made: torch.nn.Module) -> dict[str, LayerStatistics]:
    return pooled_statistics(made, image(2, 3, 64, 64)) if norm_layers(made) else {}


@pytest.mark.parametrize("config", LAYOUTS, ids=str)
def test_folded_network_equals_the_frozen_one(config: ResnetConfig | UnetConfig) -> None:
    made = network(config)
    frozen = statistics(made)
    folded = fold_statistics(made, frozen)
    if frozen:
        freeze_statistics(made, frozen)
    x = image(1, 3, 64, 128, seed=9)
    with torch.inference_mode():
        expected = made(x)
        torch.testing.assert_close(folded(x), expected, rtol=0, atol=1e-4)
        assert expected.std() > 0.05
    kinds = {type(m).__name__ for m in folded.modules()}
    assert not any("Norm" in kind or "Spectral" in kind or kind == "Dropout" for kind in kinds)


def test_folding_leaves_the_generator_as_it_was() -> None:
    made = network(LAYOUTS[0])
    before = {key: value.clone() for key, value in made.state_dict().items()}
    fold_statistics(made, statistics(made))
    assert all(torch.equal(before[key], value) for key, value in made.state_dict().items())


def test_folded_network_can_be_traced() -> None:
    made = network(LAYOUTS[0])
    folded = fold_statistics(made, statistics(made))
    x = image(1, 3, 32, 48)
    exported = torch.export.export(folded, (x,)).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(x), folded(x), rtol=0, atol=1e-6)


def test_folding_wants_every_norm() -> None:
    made = network(LAYOUTS[0])
    frozen = statistics(made)
    del frozen["model.5"]
    with pytest.raises(ModelError, match=r"model\.5"):
        fold_statistics(made, frozen)


def test_spectral_state_folds_to_the_plain_network() -> None:
    config = LAYOUTS[2]
    made = network(config)
    plain = ResnetGenerator(ResnetConfig(ngf=6, n_blocks=1, antialias_up=False)).eval()
    plain.load_state_dict(fold_spectral(made))
    with torch.inference_mode():
        x = image(1, 3, 32, 32)
        torch.testing.assert_close(plain(x), made(x), rtol=0, atol=1e-5)


def test_live_statistics_are_those_of_torch_in_any_precision() -> None:
    x = image(2, 3, 9, 11) * 300
    expected = torch.nn.InstanceNorm2d(3)(x)
    norm = FreezableInstanceNorm(3)
    torch.testing.assert_close(norm(x), expected)
    assert norm.state_dict() == {}
    half = norm(x.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    rounded = torch.nn.InstanceNorm2d(3)(x.to(torch.bfloat16).float())
    torch.testing.assert_close(half.float(), rounded, rtol=1e-2, atol=1e-2)


def test_pooled_statistics_of_one_tile_are_its_live_ones() -> None:
    made = network(LAYOUTS[0])
    x = image(1, 3, 32, 32)
    frozen = pooled_statistics(made, x)
    with torch.inference_mode():
        live = made(x)
        freeze_statistics(made, frozen)
        torch.testing.assert_close(made(x), live, rtol=0, atol=1e-5)
        thaw_statistics(made)
        torch.testing.assert_close(made(x), live, rtol=0, atol=0)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("mode", ["live", "pooled"])
def test_gradient_does_not_depend_on_its_layout(samples: int, mode: str) -> None:
    source = torch.Generator().manual_seed(0)
    x = torch.randn(samples, 6, 4, 4, generator=source, requires_grad=True)
    slope = torch.randn(samples, 16, 6, generator=source)
    layer = FreezableInstanceNorm(6)
    if mode == "pooled":
        layer.pool()
    (ours,) = torch.autograd.grad(layer(x).flatten(2).transpose(1, 2), x, slope)
    exact = x.detach().double().requires_grad_(True)
    over = (2, 3) if mode == "live" else (0, 2, 3)
    var, mean = torch.var_mean(exact, dim=over, correction=0, keepdim=True)
    normalised = (exact - mean) / (var + 1e-5).sqrt()
    straight = slope.transpose(1, 2).reshape(x.shape).contiguous().double()
    (expected,) = torch.autograd.grad(normalised, exact, straight)
    torch.testing.assert_close(ours, expected.float())


def test_mapped_statistics_reach_every_pixel() -> None:
    norm = FreezableInstanceNorm(2)
    x = image(1, 2, 4, 6)
    norm.map_with(lambda h, w: (torch.full((1, 2, h, w), 0.5), torch.full((1, 2, h, w), 3.0)))
    torch.testing.assert_close(norm(x), (x - 0.5) * 3)


def test_observer_sees_every_norm_once() -> None:
    made = network(LAYOUTS[0])
    seen: dict[str, tuple[int, ...]] = {}
    with observing(made, lambda name, mean, var, n: seen.update({name: (*mean.shape, n)})):
        made(image(2, 3, 16, 24))
    assert list(seen) == list(norm_layers(made))
    assert seen["model.2"] == (2, 6, 16 * 24)
    assert all(layer.observer is None for layer in norm_layers(made).values())


@pytest.mark.parametrize("bad", [torch.tensor([-1.0, 1]), torch.tensor([float("nan"), 1])])
def test_impossible_statistics_are_refused(bad: torch.Tensor) -> None:
    with pytest.raises(ModelError, match="finite"):
        FreezableInstanceNorm(2).freeze(LayerStatistics(torch.zeros(2), bad))
    with pytest.raises(ModelError, match="channels"):
        FreezableInstanceNorm(3).freeze(LayerStatistics(torch.zeros(2), torch.ones(2)))


CLASSIC = {"antialias": False, "antialias_up": False}


@pytest.mark.parametrize(
    ("config", "radius", "margin"),
    [
        (ResnetConfig(n_blocks=6), 69, 72),
        (ResnetConfig(n_blocks=9), 93, 96),
        (ResnetConfig(n_blocks=6, **CLASSIC), 60, 60),
        (ResnetConfig(n_blocks=9, **CLASSIC), 84, 84),
        (ResnetConfig(n_blocks=9, n_downsampling=3, **CLASSIC), 164, 168),
    ],
)
def test_dependency_radius_of_the_published_layouts(
    config: ResnetConfig, radius: int, margin: int
) -> None:
    assert dependency_radius(config) == radius
    assert halo(config) == margin


@pytest.mark.parametrize(
    "config",
    [
        ResnetConfig(ngf=1, n_blocks=1),
        ResnetConfig(ngf=1, n_blocks=1, **CLASSIC),
        ResnetConfig(ngf=1, n_blocks=2, antialias=False),
        ResnetConfig(ngf=1, n_blocks=0, antialias_up=False, n_downsampling=1),
    ],
    ids=str,
)
def test_dependency_radius_agrees_with_autograd(config: ResnetConfig) -> None:
    made = ResnetGenerator(config).double().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(0.01)
    for layer in norm_layers(made).values():
        layer.freeze(LayerStatistics(torch.zeros(layer.channels), torch.ones(layer.channels)))
    side, stride = 160, 2**config.n_downsampling
    reach = 0
    for pixel in range(side // 2, side // 2 + stride):
        x = torch.zeros(1, 3, side, side, dtype=torch.float64, requires_grad=True)
        made(x)[0, 0, pixel, pixel].backward()
        rows = x.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
        reach = max(reach, pixel - int(rows.min()), int(rows.max()) - pixel)
    assert reach == dependency_radius(config)


def test_frozen_tiles_with_halo_equal_the_whole_image() -> None:
    config = ResnetConfig(ngf=4, n_blocks=1)
    made = network(config)
    folded = fold_statistics(made, statistics(made))
    x, margin = image(1, 3, 192, 192), halo(config)
    with torch.inference_mode():
        whole = folded(x)[:, :, 64:128, 64:128]
        tile = folded(x[:, :, 64 - margin : 128 + margin, 64 - margin : 128 + margin])
    inner = tile[:, :, margin:-margin, margin:-margin]
    torch.testing.assert_close(inner, whole, rtol=0, atol=1e-5)
