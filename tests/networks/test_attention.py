from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.networks.ammfi import AmmfiConfig, AmmfiGenerator
from napari_virtual_ihc.networks.attention import (
    Ammfi,
    AttentionGate,
    ChannelAttention,
    SpatialAttention,
)
from napari_virtual_ihc.networks.folding import fold_spectral
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.norm_statistics import norm_layers
from napari_virtual_ihc.networks.registry import build, configure, describe, expected_shapes
from napari_virtual_ihc.networks.resnet import ResnetGenerator, tap_channels

TAPS = (0, 4, 8, 12, 16)


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def network(config: AmmfiConfig) -> AmmfiGenerator:
    torch.manual_seed(2)
    made = AmmfiGenerator(config)
    initialise(made, "kaiming", generator=torch.Generator().manual_seed(1))
    return made.eval()


def test_channel_attention_is_cbam_equation_two() -> None:
    x = torch.tensor([[[[1.0, 3.0]], [[0.0, -2.0]]]])
    layer = ChannelAttention(2, reduction=2)
    with torch.no_grad():
        layer.mlp[0].weight.copy_(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))
        layer.mlp[2].weight.copy_(torch.tensor([0.5, 2.0]).view(2, 1, 1, 1))
        found = layer(x).flatten()
    hidden = (2.0 - -1.0) + (3.0 - 0.0)
    torch.testing.assert_close(found, torch.sigmoid(torch.tensor([0.5, 2.0]) * hidden))
    assert ChannelAttention(128).mlp[0].weight.shape == (8, 128, 1, 1)
    assert ChannelAttention(4).mlp[0].weight.shape == (1, 4, 1, 1)


def test_spatial_attention_is_cbam_equation_three() -> None:
    x = image(1, 3, 5, 6)
    layer = SpatialAttention()
    with torch.no_grad():
        layer.conv.weight.zero_()
        layer.conv.weight[0, :, 3, 3] = torch.tensor([2.0, -1.0])
        found = layer(x)
    expected = torch.sigmoid(2 * x.mean(dim=1, keepdim=True) - x.amax(dim=1, keepdim=True))
    torch.testing.assert_close(found, expected)


def test_a_gate_is_one_weight_per_position() -> None:
    gate = AttentionGate(4).eval()
    with torch.no_grad():
        weights = gate(image(2, 4, 6, 8))
        gate.weigh[1].bias.fill_(50)
        opened = gate(image(2, 4, 6, 8))
    assert weights.shape == (2, 1, 6, 8)
    assert 0 < weights.min() < weights.max() < 1
    torch.testing.assert_close(opened, torch.ones(2, 1, 6, 8))


@pytest.mark.parametrize("literal", [False, True])
def test_the_module_is_the_papers_formula(literal: bool) -> None:
    module = Ammfi(3, literal_eq3=literal).eval()
    encoded, decoded = image(2, 3, 8, 8), image(2, 3, 8, 8, seed=1)
    with torch.no_grad():
        joint = torch.cat([module.encoded(encoded), module.decoded(decoded)], dim=1)
        weighted = module.channel(joint) * joint
        seen = module.channel(weighted) * weighted if literal else weighted
        alpha = torch.sigmoid(module.gate.weigh(module.spatial(seen) * weighted))
        torch.testing.assert_close(module(encoded, decoded), alpha * encoded)
        other = Ammfi(3, literal_eq3=not literal).eval()
        other.load_state_dict(module.state_dict())
        assert (other(encoded, decoded) - module(encoded, decoded)).abs().max() > 1e-4


def test_channel_attention_reaches_across_the_whole_map() -> None:
    x = (image(1, 4, 40, 40) + 1).requires_grad_()
    layer = ChannelAttention(4)
    with torch.no_grad():
        layer.mlp[0].weight.fill_(1)
    layer(x)[0, 0].sum().backward()
    assert x.grad is not None
    assert bool((x.grad[0, :, 0, 0] != 0).any())


def test_gradients_are_the_slopes_of_a_single_picture() -> None:
    torch.manual_seed(0)
    module = Ammfi(2).double()
    inputs = [image(1, 2, 4, 5, seed=seed).double().requires_grad_() for seed in (0, 1)]
    assert torch.autograd.gradcheck(module, inputs)


@pytest.mark.parametrize("antialias", [True, False])
def test_taps_lie_where_the_resnet_has_them(antialias: bool) -> None:
    config = AmmfiConfig(ngf=4, antialias=antialias, antialias_up=antialias)
    made, x = network(config), image(2, 3, 32, 48)
    with torch.no_grad():
        *maps, out = made.features(x, TAPS, whole=True)
        torch.testing.assert_close(out, made(x), rtol=0, atol=0)
        alone = made.features(x, TAPS)
    assert tuple(m.shape[1] for m in maps) == tap_channels(config.trunk, TAPS)
    assert all(torch.equal(a, b) for a, b in zip(alone, maps, strict=True))
    assert out.shape == x.shape
    sizes = [tuple(m.shape[2:]) for m in maps]
    if antialias:
        assert sizes == [(34, 50), (32, 48), (16, 24), (8, 12), (8, 12)]


def test_skips_join_encoder_and_decoder_of_the_same_size() -> None:
    made = network(AmmfiConfig(ngf=4, n_blocks=2))
    seen: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for skip in made.skips:
        skip.register_forward_hook(
            lambda _, inputs, out: seen.append((tuple(inputs[0].shape), tuple(inputs[1].shape)))
        )
    made(image(1, 3, 16, 16))
    assert seen == [((1, 8, 8, 8),) * 2, ((1, 4, 16, 16),) * 2]


def test_without_attention_and_with_a_wide_stem_it_is_the_resnet() -> None:
    config = AmmfiConfig(ngf=4, n_blocks=2, stem=7, attention=False)
    ours, theirs = network(config), ResnetGenerator(config.trunk).eval()
    theirs.load_state_dict(ours.state_dict())
    x = image(1, 3, 24, 24)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))
    attended = AmmfiGenerator(AmmfiConfig(ngf=4, n_blocks=2, stem=7))
    missing, unexpected = attended.load_state_dict(theirs.state_dict(), strict=False)
    assert unexpected == []
    assert all(key.startswith("skips.") for key in missing)


def test_the_paper_generator_begins_with_a_three_by_three() -> None:
    shapes = expected_shapes("ammfi", {})
    assert shapes["model.1.weight"] == (64, 3, 3, 3)
    assert shapes["skips.0.attention.encoded.0.weight"] == (64, 64, 3, 3)
    assert shapes["skips.1.attention.gate.weigh.0.weight"] == (1, 256, 3, 3)
    assert shapes["skips.1.merge.0.weight"] == (128, 256, 3, 3)
    assert "skips.0.attention.encoded.1.running_mean" in shapes


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_every_norm_of_the_trunk_can_be_frozen(norm: str) -> None:
    config = AmmfiConfig(ngf=4, n_blocks=1, ammfi_norm=norm)  # type: ignore[arg-type]
    found = norm_layers(network(config))
    inside = [name for name in found if "attention" in name]
    assert len(found) - len(inside) == 3 + 2 + 2 + 2
    assert len(inside) == (6 if norm == "instance" else 0)


def test_norms_to_be_chosen_on_a_slide_are_told() -> None:
    batch = AmmfiConfig(ngf=4, n_blocks=1, trunk_norm="batch")
    assert (AmmfiConfig().norm, batch.norm) == ("instance", "batch")
    assert norm_layers(network(batch)) == {}
    assert "model.1.bias" not in expected_shapes("ammfi", describe(batch))
    mixed = AmmfiConfig(trunk_norm="batch", ammfi_norm="instance")
    assert mixed.norm == "instance"
    assert AmmfiConfig(trunk_norm="batch", ammfi_norm="instance", attention=False).norm == "batch"
    with pytest.raises(ModelError, match="trunk_norm"):
        configure("ammfi", {"trunk_norm": "group"})


def test_spectral_norm_folds_into_the_plain_network() -> None:
    config = AmmfiConfig(ngf=4, n_blocks=1, spectral=True)
    made, x = network(config), image(1, 3, 16, 16)
    for _ in range(3):
        made.train()(x)
    made.eval()
    plain = AmmfiGenerator(AmmfiConfig(ngf=4, n_blocks=1)).eval()
    plain.load_state_dict(fold_spectral(made))
    with torch.no_grad():
        torch.testing.assert_close(plain(x), made(x), rtol=0, atol=1e-5)


def test_it_is_built_from_its_card_and_wrong_arguments_are_named() -> None:
    config = AmmfiConfig(ngf=4, stem=7, ammfi_norm="instance", literal_eq3=True)
    assert configure("ammfi", describe(config)) == config
    assert isinstance(build("ammfi", describe(config)), AmmfiGenerator)
    for wrong, said in [({"stem": 5}, "stem"), ({"ammfi_norm": "group"}, "ammfi_norm"),
                        ({"ngf": 0}, "ngf"), ({"reduction": 4}, "reduction")]:  # fmt: skip
        with pytest.raises(ModelError, match=said):
            configure("ammfi", wrong)
    with pytest.raises(ModelError, match="ascending"):
        network(AmmfiConfig(ngf=2, n_blocks=1)).features(image(1, 3, 8, 8), [4, 0])
