from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from torch import nn

from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig
from napari_virtual_ihc.networks.projection import (
    PatchProjection,
    ProjectionConfig,
    unit_vectors,
)
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator, tap_channels
from napari_virtual_ihc.networks.unet import UnetConfig, UnetGenerator

CLASSIC = {"no_antialias": True, "no_antialias_up": True}


def generator(args: dict[str, Any]) -> nn.Module:
    blocks = re.fullmatch(r"resnet_(\d+)blocks", args["netG"])
    dropout = 0.5 if args.get("use_dropout") else 0.0
    common = {"input_nc": args.get("input_nc", 3), "output_nc": args.get("output_nc", 3)}
    if blocks is None:
        downs = int(math.log2(int(args["netG"].removeprefix("unet_"))))
        return UnetGenerator(
            UnetConfig(ngf=args["ngf"], n_downs=downs, norm=args["norm"], dropout=dropout, **common)
        )
    switches = CLASSIC | args
    return ResnetGenerator(
        ResnetConfig(
            ngf=args["ngf"],
            n_blocks=int(blocks[1]),
            n_downsampling=args.get("n_downsampling", 2),
            norm=args["norm"],
            dropout=dropout,
            antialias=not switches["no_antialias"],
            antialias_up=not switches["no_antialias_up"],
            spectral=args.get("weight_norm") == "spectral",
            **common,
        )
    )


def discriminator(args: dict[str, Any], layout: str) -> PatchGan:
    return PatchGan(
        PatchGanConfig(
            input_nc=args["input_nc"],
            ndf=args["ndf"],
            n_layers=args["n_layers_D"],
            norm=args["norm"],
            antialias=not args.get("no_antialias", True),
            spectral=args.get("weight_norm") == "spectral",
            layout=layout,
        )
    )


def taps_of(tensors: dict[str, torch.Tensor]) -> list[int]:
    return sorted(int(name[5:]) for name in tensors if re.fullmatch(r"feat_\d+", name))


def check_train_mode(case, network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    if "output_train_mode" not in tensors:
        return
    with torch.no_grad():
        case.check(network.train()(tensors["input"]), tensors["output_train_mode"])
    after = {
        k.removeprefix("after_train."): v for k, v in tensors.items() if k[:12] == "after_train."
    }
    for key, value in after.items():
        case.check(network.state_dict()[key], value)


@pytest.mark.golden(r"(asp|cut|p2p)_G_")
def test_generator_reproduces_outputs_and_features(case) -> None:
    tensors = case.tensors()
    prefix = "G." if "netF_nc" in case.args else ""
    network = generator(case.args)
    network.load_state_dict(case.state(prefix))
    with torch.no_grad():
        case.check(network.eval()(tensors["input"]), tensors["output"])
        if taps := taps_of(tensors):
            assert isinstance(network, ResnetGenerator)
            features = network.features(tensors["input"], taps)
            for tap, feature in zip(taps, features, strict=True):
                case.check(feature, tensors[f"feat_{tap:02d}"])
    check_train_mode(case, network, tensors)


@pytest.mark.golden(r"(asp|cut|p2p)_D_")
def test_discriminator_reproduces_logits_and_gradient(case) -> None:
    tensors, state = case.tensors(), case.state()
    layout = {"enc": "asp", "fin": "asp", "mod": "cut", "net": "pixel"}[next(iter(state))[:3]]
    network = discriminator(case.args, layout)
    network.load_state_dict(state)
    image = tensors["input"].requires_grad_(True)
    logits = network.eval()(image)
    case.check(logits, tensors["output"])
    if "grad_input_of_mean" in tensors:
        logits.mean().backward()
        case.check_gradient(image.grad, tensors["grad_input_of_mean"])
    check_train_mode(case, network, tensors)


@pytest.mark.golden(r"asp_F_patchsample|cut_G_resnet\d_and_F")
def test_projection_reproduces_patches(case) -> None:
    tensors = case.tensors()
    taps = taps_of(tensors)
    features = [tensors[f"feat_{tap:02d}"] for tap in taps]
    ids = [tensors[f"patch_ids_{tap:02d}"] for tap in taps]
    channels = tuple(f.shape[1] for f in features)
    legacy = case.entry["id"].startswith("cut")
    kinds = {"mlp": True, "sample": False} if "use_mlp" in case.args else {"mlp": True}
    for kind, use_mlp in kinds.items():
        config = ProjectionConfig(channels, case.args["netF_nc"], use_mlp, legacy)
        network = PatchProjection(config)
        if use_mlp:
            network.load_state_dict(case.state("F." if legacy else ""))
        for tap, out in zip(taps, network(features, ids), strict=True):
            case.check(out, tensors[f"out_{kind}_{tap:02d}"])


@pytest.mark.golden(r"cut_G_.*_and_F")
def test_tap_channels_are_known_from_the_configuration(case) -> None:
    tensors = case.tensors()
    taps = taps_of(tensors)
    expected = tuple(tensors[f"feat_{tap:02d}"].shape[1] for tap in taps)
    assert tap_channels(generator(case.args).config, taps) == expected


@pytest.mark.golden("cut_normalize")
def test_legacy_normalisation(case) -> None:
    tensors = case.tensors()
    case.check(unit_vectors(tensors["input"], legacy=True), tensors["output"])


@pytest.mark.golden("asp_G_.*_rawinit")
def test_initialiser_has_the_spread_of_the_reference(case) -> None:
    network = generator(case.args)
    kind, gain = case.args["init_type"], case.args["init_gain"]
    initialise(network, kind, gain, torch.Generator().manual_seed(3))
    reference = case.state()
    for name, weight in network.named_parameters():
        if weight.dim() == 1:
            assert bool((weight == 0).all())
            continue
        area = weight[0, 0].numel()
        expected = gain * math.sqrt(2 / ((weight.shape[0] + weight.shape[1]) * area))
        for sample in (weight.detach(), reference[name]):
            assert abs(float(sample.std()) / expected - 1) < 6 / math.sqrt(2 * weight.numel())
