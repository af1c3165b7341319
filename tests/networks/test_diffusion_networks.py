"""The networks of a diffusion: shapes, what they depend on, and that no GAN path takes them."""

from __future__ import annotations

import builtins
import json

import pytest
import torch

from napari_virtual_ihc.errors import ModelError
from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.networks.registry import (
    DiffusionConfig,
    GeneratorConfig,
    build,
    build_empty,
    configure,
    describe,
    expected_shapes,
)
from napari_virtual_ihc.networks.score_unet import SIZES, ScoreUnet, ScoreUnetConfig, at_step
from napari_virtual_ihc.networks.statistics_network import (
    StatisticsConfig,
    StatisticsNetwork,
    embedding,
)
from napari_virtual_ihc.translation.plan import facts_of


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weights(name: str) -> int:
    shapes = expected_shapes("score-unet", describe(SIZES[name]))
    return sum(torch.Size(shape).numel() for shape in shapes.values())


@pytest.mark.parametrize("size", SIZES)
def test_sizes_survive_json_and_allocate_nothing_to_tell_their_shapes(size: str) -> None:
    pytest.importorskip("diffusers")
    config = configure("score-unet", json.loads(json.dumps(describe(SIZES[size]))))
    assert config == SIZES[size]
    assert isinstance(config, DiffusionConfig)
    assert not isinstance(config, GeneratorConfig)


def test_the_small_network_fits_into_seven_megabytes_of_half_precision() -> None:
    pytest.importorskip("diffusers")
    assert 2 * weights("small") < 15e6
    assert weights("paper") > 50e6


def test_a_score_network_tells_noise_of_the_same_shape_and_hears_the_step() -> None:
    pytest.importorskip("diffusers")
    torch.manual_seed(0)
    network = ScoreUnet(SIZES["tiny"]).eval()
    y = drawn(2, 3, 16, 24)
    with torch.no_grad():
        noise = network(y, torch.tensor([3, 700]))
        alone = network(y[:1], torch.tensor([3]))
        other = network(y, torch.tensor([400, 700]))
    assert noise.shape == y.shape
    torch.testing.assert_close(noise[:1], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(noise[1:], other[1:], rtol=1e-4, atol=1e-5)
    assert (noise[0] - other[0]).abs().max() > 1e-4
    assert at_step(y, 7).tolist() == [7, 7]


def test_features_are_those_of_the_way_down() -> None:
    pytest.importorskip("diffusers")
    network = ScoreUnet(SIZES["small"]).eval()
    kept = []
    for block in network.unet.down_blocks:
        block.register_forward_hook(lambda module, inputs, output: kept.append(output[0]))
    y, steps = drawn(1, 3, 32, 32), torch.tensor([40])
    with torch.no_grad():
        network(y, steps)
        forward, kept[:] = list(kept), []
        features = network.features(y, steps)
    assert [f.shape[1:] for f in features] == [(32, 16, 16), (64, 8, 8), (96, 4, 4)]
    for ours, theirs in zip(features, forward, strict=False):
        torch.testing.assert_close(ours, theirs)


def test_a_score_network_is_rebuilt_empty_and_filled() -> None:
    pytest.importorskip("diffusers")
    arguments = describe(SIZES["tiny"])
    network = build("score-unet", arguments)
    again = build_empty("score-unet", arguments)
    again.load_state_dict(network.state_dict())
    y, steps = drawn(1, 3, 8, 8), torch.tensor([5])
    with torch.no_grad():
        torch.testing.assert_close(again(y, steps), network(y, steps))


def test_sides_off_the_stride_are_refused() -> None:
    pytest.importorskip("diffusers")
    network = ScoreUnet(SIZES["tiny"])
    with pytest.raises(ModelError, match="4 divides, not 16 × 18"):
        network(drawn(1, 3, 16, 18), torch.tensor([0]))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"channels": [30, 32]}, "groups"),
        ({"channels": [32]}, "channels"),
        ({"attention": [9]}, "attention"),
        ({"head_width": 48}, "head_width"),
        ({"resampling": "pool"}, "resampling"),
    ],
)
def test_impossible_score_networks_are_named(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ModelError, match=named):
        configure("score-unet", arguments)


def test_without_diffusers_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object) -> object:
        if name.startswith("diffusers"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ModelError, match=r"napari-virtual-ihc\[diffusion\]"):
        ScoreUnet(ScoreUnetConfig((8, 8), attention=(), head_width=8, groups=8))


def test_the_translator_of_generators_refuses_a_score_network() -> None:
    card = ModelCard(
        name="miu-diff-ki67",
        kind="score",
        architecture="score-unet",
        arguments=describe(SIZES["small"]),
        mpp_in=1.0,
        mpp_out=1.0,
        tiling="blended",
    )
    for kind in ("score", "generator"):
        with pytest.raises(ModelError, match="cannot translate slides"):
            facts_of(card.model_copy(update={"kind": kind}))


def test_scores_compare_what_lies_at_one_place() -> None:
    torch.manual_seed(1)
    network = StatisticsNetwork(StatisticsConfig((8, 16, 16))).eval()
    structure, stain = torch.rand(2, 1, 32, 48), drawn(2, 3, 32, 48)
    steps = torch.tensor([3, 250])
    with torch.no_grad():
        scores = network(structure, stain, steps)
        parts = network.score(
            network.encode_structure(structure), network.encode_stain(stain, steps)
        )
        later = network(structure, stain, steps + 30)
    assert scores.shape == (2, 1, 4, 6)
    torch.testing.assert_close(scores, parts)
    assert (scores - later).abs().max() > 1e-5


def test_a_network_that_is_not_timed_does_not_hear_the_step() -> None:
    network = StatisticsNetwork(StatisticsConfig((8, 8), timed=False)).eval()
    structure, stain = torch.rand(1, 1, 16, 16), drawn(1, 3, 16, 16)
    with torch.no_grad():
        first, second = (network(structure, stain, torch.tensor([t])) for t in (0, 299))
    assert torch.equal(first, second)


def test_steps_have_distinct_embeddings() -> None:
    known = embedding(torch.arange(1000))
    assert known.shape == (1000, 64)
    distances = torch.cdist(known, known) + 9 * torch.eye(1000)
    assert distances.min() > 0.05


@pytest.mark.parametrize("arguments", [{"widths": [12]}, {"widths": []}, {"groups": 0}])
def test_impossible_statistics_networks_are_named(arguments: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="widths"):
        configure("statistics-network", arguments)
