"""VSMT's task networks and the guided generator."""

from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.networks.auxiliary import (
    Classifier,
    ClassifierConfig,
    Rebuilder,
    RebuilderConfig,
)
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator

KINDS = {"rebuilder": (RebuilderConfig, Rebuilder), "classifier": (ClassifierConfig, Classifier)}
INJECTED = (13, 17)


def halved(injected: torch.Tensor):
    """Return a hook that puts the mean of a layer's output and ``injected`` in its place."""
    return lambda module, inputs, output: (output + injected) / 2


@pytest.mark.golden("vsmt_(rebuilder|classifier)")
def test_task_networks(case) -> None:
    tensors = case.tensors()
    config, kind = KINDS[case.entry["id"].removeprefix("vsmt_")]
    network = kind(config(ngf=case.args["ngf"], dropout=case.args["use_dropout"]))
    network.load_state_dict(case.state())
    network.eval()
    with torch.no_grad():
        case.check(network(tensors["input"]), tensors["output"])
        for tap, feature in zip(
            network.config.taps,
            network.features(tensors["input"], network.config.taps),
            strict=True,
        ):
            case.check(feature, tensors[f"feat_{tap}"])
        if "output_injected" in tensors:
            for layer in INJECTED:
                network.model[layer].register_forward_hook(halved(tensors[f"inject_{layer}"]))
            case.check(network(tensors["input"]), tensors["output_injected"])


@pytest.mark.golden("vsmt_generator_injection")
def test_guided_generator(case) -> None:
    tensors = case.tensors()
    blocks = int(case.args["netG"].removeprefix("resnet_").removesuffix("blocks"))
    network = ResnetGenerator(ResnetConfig(ngf=case.args["ngf"], n_blocks=blocks))
    network.load_state_dict(case.state())
    added = {layer: tensors[f"inject_{layer}"] for layer in INJECTED}
    taps = sorted(int(name[5:]) for name in tensors if name.startswith("feat_1"))
    with torch.no_grad():
        for prefix, extra in (("", None), ("injected_", added)):
            *maps, image = network.features(tensors["input"], taps, whole=True, added=extra)
            case.check(image, tensors["output_injected" if extra else "output"])
            for tap, feature in zip(taps, maps, strict=True):
                case.check(feature, tensors[f"feat_{prefix}{tap}"])
