from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.errors import CheckpointError
from napari_virtual_ihc.models.checkpoint_keys import (
    drop_instance_norm_leftovers,
    old_style_spectral,
    strip_prefixes,
)
from napari_virtual_ihc.models.recognise import recognise
from napari_virtual_ihc.models.train_options import contradictions, read_options
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.projection import PatchProjection, ProjectionConfig
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.networks.unet import UnetConfig, UnetGenerator

if TYPE_CHECKING:
    from pathlib import Path

    import torch


def shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize(
    "config",
    [
        ResnetConfig(ngf=4, n_blocks=blocks, n_downsampling=downs, **switches)
        for blocks, downs in ((4, 2), (6, 2), (9, 2), (9, 3))
        for switches in (
            {},
            {"antialias": False, "antialias_up": False},
            {"antialias_up": False, "norm": "batch"},
            {"antialias": False, "spectral": True, "input_nc": 1},
            {"dropout": 0.5, "norm": "batch", "output_nc": 4},
        )
    ],
    ids=str,
)
def test_every_resnet_layout_is_recognised(config: ResnetConfig) -> None:
    assert recognise(shapes(ResnetGenerator(config))).config == config


@pytest.mark.parametrize(
    "config",
    [
        UnetConfig(ngf=2, n_downs=7),
        UnetConfig(ngf=3, n_downs=8, norm="instance", input_nc=1, output_nc=2),
    ],
    ids=str,
)
def test_unets_are_recognised(config: UnetConfig) -> None:
    assert recognise(shapes(UnetGenerator(config))).config == config


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (PatchGan(PatchGanConfig(ndf=2)), "discriminator"),
        (PatchGan(PatchGanConfig(ndf=2, layout="cut", antialias=False)), "discriminator"),
        (PatchGan(PatchGanConfig(ndf=2, layout="cut", spectral=True)), "discriminator"),
        (PatchGan(PatchGanConfig(ndf=2, layout="pixel")), "discriminator"),
        (PatchProjection(ProjectionConfig((3, 4), width=2)), "projection head"),
    ],
)
def test_other_networks_are_refused_with_advice(network: torch.nn.Module, told: str) -> None:
    with pytest.raises(CheckpointError, match=rf"{told}.*latest_net_G\.pth"):
        recognise(shapes(network))


def test_unknown_files_show_their_first_keys() -> None:
    with pytest.raises(CheckpointError, match=r"conv1\.weight"):
        recognise({"conv1.weight": (64, 3, 7, 7), "bn1.weight": (64,)})
    with pytest.raises(CheckpointError, match="no tensors"):
        recognise({})
    with pytest.raises(CheckpointError, match="residual"):
        recognise({"model.1.weight": (8, 3, 7, 7), "model.4.weight": (16, 8, 3, 3)})


def test_prefixes_are_stripped_repeatedly() -> None:
    state = {"module._orig_mod.netG.model.1.weight": 1, "module._orig_mod.netD.enc.0.weight": 2}
    kept, dropped = strip_prefixes(state)
    assert kept == {"model.1.weight": 1}
    assert dropped == ["netD.enc.0.weight"]


def test_instance_norm_leftovers_go_and_batch_norm_stays() -> None:
    state = {
        "model.1.weight": (4, 3, 7, 7),
        "model.2.running_mean": (4,),
        "model.2.num_batches_tracked": (),
        "model.5.weight": (8,),
        "model.5.running_mean": (8,),
    }
    kept = drop_instance_norm_leftovers(state, state)
    assert list(kept) == ["model.1.weight", "model.5.weight", "model.5.running_mean"]


def test_new_style_spectral_keys_are_renamed() -> None:
    new = "model.1.parametrizations.weight."
    state = {new + "original": 1, new + "0._u": 2, new + "0._v": 3, "model.1.bias": 4}
    assert list(old_style_spectral(state)) == [
        "model.1.weight_orig",
        "model.1.weight_u",
        "model.1.weight_v",
        "model.1.bias",
    ]


OPTIONS = """----------------- Options ---------------
                direction: BtoA                          	[default: AtoB]
                     netG: resnet_9blocks                	[default: resnet_6blocks]
                    normG: instance
               no_dropout: True
             no_antialias: True                          	[default: False]
              weight_norm: None
----------------- End -------------------
"""


def test_options_that_contradict_the_keys_are_told(tmp_path: Path) -> None:
    (tmp_path / "train_opt.txt").write_text(OPTIONS)
    path = tmp_path / "latest_net_G_B.pth"
    told = contradictions(read_options(path), ResnetConfig(n_blocks=6), path)
    assert len(told) == 4
    for sentence, part in zip(
        told, ("netG = resnet_9blocks", "no_antialias = True", "BtoA", "net_G_B"), strict=True
    ):
        assert part in sentence


def test_no_options_no_complaints(tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G.pth"
    assert contradictions(read_options(path), ResnetConfig(), path) == []
