"""The published pix2pix lineage: Pyramid Pix2pix's losses, and its test mode."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch
from test_golden_networks import generator

from napari_virtual_ihc.losses.octave_pyramid import octave_pyramid
from napari_virtual_ihc.methods.pyramid_p2p import PyramidP2P
from napari_virtual_ihc.models.recognise import recognise
from napari_virtual_ihc.networks.as_tested import as_tested

if TYPE_CHECKING:
    from torch import Tensor


def octaves_of(tensors: dict[str, Tensor]) -> list[int]:
    return sorted(int(m[1]) for name in tensors if (m := re.fullmatch(r"loss_L(\d)", name)))


@pytest.mark.golden("loss_pyramid_p2p")
def test_octave_pyramid(case) -> None:
    tensors, octaves = case.tensors(), octaves_of(case.tensors())
    weights = [case.args["lambda_L1"], *(case.args[f"weight_L{n}"] for n in octaves[1:])]
    smallest = PyramidP2P.presets["smoke"].with_settings(["ngf=1", "ndf=1"])
    method = PyramidP2P.build(smallest.with_settings([f"octave_weights={weights}"]), seed=0)
    fake, real = tensors["fake"].requires_grad_(True), tensors["real"]
    terms = method.distances(fake, real)
    for octave in octaves:
        case.check(terms[f"L{octave}"], tensors[f"loss_L{octave}"])
    for octave, level in enumerate(octave_pyramid(fake, len(octaves))[1:], start=2):
        case.check(level, tensors[f"octave{octave}_fake"])
    total = torch.stack(list(terms.values())).sum()
    case.check(total, tensors["loss_total"])
    total.backward()
    case.check_gradient(fake.grad, tensors["grad_fake"])


@pytest.mark.golden(r"p2p_G_.*_batch$")
def test_pictures_are_translated_as_the_published_code_tests(case) -> None:
    tensors = case.tensors()
    network = generator(case.args)
    network.load_state_dict(case.state())
    both = torch.cat([tensors["input"], tensors["input"].flip(3)])
    with torch.no_grad():
        ours = as_tested(network.eval())(both)
    case.check(ours[:1], tensors["output_train_mode"])


@pytest.mark.golden(r"p2p_G_")
def test_checkpoints_of_the_lineage_are_recognised(case) -> None:
    state = case.state()
    found = recognise({key: tuple(value.shape) for key, value in state.items()})
    expected = generator(case.args).config
    told = {"dropout"} if found.architecture == "unet" else set()
    for name, value in vars(expected).items():
        assert name in told or getattr(found.config, name) == value, name
