from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.losses.adaptive_nce import AspSchedule, adaptive_patch_nce
from napari_virtual_ihc.losses.gan import gan_loss, gradient_penalty
from napari_virtual_ihc.losses.gaussian_pyramid import gaussian_pyramid, level_l1, pyramid_l1
from napari_virtual_ihc.losses.patch_nce import patch_nce
from napari_virtual_ihc.networks.patchgan import PatchGan, PatchGanConfig


def gradient(loss: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    (slope,) = torch.autograd.grad(loss.mean(), of)
    return slope


@pytest.mark.golden("loss_patchnce_")
def test_patch_nce(case) -> None:
    tensors, args = case.tensors(), case.args
    query = tensors["feat_q"].requires_grad_(True)
    key = tensors["feat_k"].requires_grad_(True)
    for temperature in args["nce_T"]:
        for all_negatives in args["nce_includes_all_negatives_from_minibatch"]:
            loss = patch_nce(
                query,
                key,
                images=args["batch_size"],
                temperature=temperature,
                all_negatives=all_negatives,
            )
            name = f"T{temperature:g}_allneg{int(all_negatives)}"
            case.check(loss, tensors[f"loss_{name}"])
            case.check_gradient(gradient(loss, query), tensors[f"grad_q_{name}"])
    unfrozen = patch_nce(query, key, images=args["batch_size"]).sum()
    assert torch.autograd.grad(unfrozen, key, allow_unused=True) == (None,)


@pytest.mark.golden("loss_mdcl_patchnce$")
def test_mix_domain_patch_nce(case) -> None:
    tensors = case.tensors()
    query, key = tensors["feat_q"].requires_grad_(True), tensors["feat_k"]
    for temperature in case.args["nce_T"]:
        loss = patch_nce(query, key, temperature=temperature, negatives="mixed")
        case.check(loss, tensors[f"loss_T{temperature:g}"])
        case.check_gradient(gradient(loss, query), tensors[f"grad_q_T{temperature:g}"])
    query, key = tensors["feat_q_b2"].requires_grad_(True), tensors["feat_k_b2"]
    loss = patch_nce(query, key, images=2, all_negatives=True, negatives="mixed")
    case.check(loss, tensors["loss_b2_allneg"])
    case.check_gradient(gradient(loss, query), tensors["grad_q_b2_allneg"])


@pytest.mark.golden("loss_(asp_|mdcl_asp_)")
def test_adaptive_patch_nce(case) -> None:
    tensors, args = case.tensors(), case.args
    query, key = tensors["feat_q"].requires_grad_(True), tensors["feat_k"]
    for i, mode in enumerate(args["modes"]):
        scheduler, _, lookup = ("none_uniform" if mode == "none" else mode).partition("_")
        schedule = AspSchedule(scheduler, lookup, args["n_epochs"], args["n_epochs_decay"])
        for j, epoch in enumerate(args["epochs"]):
            loss = adaptive_patch_nce(
                query,
                key,
                schedule,
                epoch,
                images=args.get("batch_size", 1),
                temperature=args["nce_T"],
                negatives="mixed" if "mdcl" in case.entry["id"] else "inter",
            )
            case.check(loss, tensors["loss"][i, j])
            case.check_gradient(gradient(loss, query), tensors["grad_q"][i, j])


@pytest.mark.golden("loss_gan$")
def test_gan_losses(case) -> None:
    tensors, args = case.tensors(), case.args
    prediction = tensors["prediction"].requires_grad_(True)
    for mode in args["modes"]:
        for name, real in (("real", True), ("fake", False)):
            loss = gan_loss(prediction, real=real, mode=mode)
            case.check(loss, tensors[f"{mode}_{name}"])
            case.check_gradient(gradient(loss, prediction), tensors[f"grad_{mode}_{name}"])


@pytest.mark.golden("loss_wgan_gp")
def test_gradient_penalty(case) -> None:
    tensors, args = case.tensors(), case.args
    state = case.state()
    stages = sum(key.endswith(".filt") for key in state)
    channels = tensors["real"].shape[1]
    network = PatchGan(PatchGanConfig(channels, args["ndf"], stages, args["norm"]))
    network.load_state_dict(state)
    real, fake = tensors["real"], tensors["fake"]
    alpha = tensors["alpha"][:, :, None, None]
    points = {"real": real, "fake": fake, "mixed": alpha * real + (1 - alpha) * fake}
    for kind in args["types"]:
        penalty = gradient_penalty(
            network, points[kind], weight=args["lambda_gp"], norm=args["constant"]
        )
        case.check(penalty, tensors[f"penalty_{kind}"])


@pytest.mark.golden("loss_gaussian_pyramid")
def test_gaussian_pyramid(case) -> None:
    tensors, args = case.tensors(), case.args
    fake, real = tensors["fake"].requires_grad_(True), tensors["real"]
    for level, ours in enumerate(gaussian_pyramid(fake, args["num_high"])):
        case.check(ours, tensors[f"pyr_fake_{level}"])
    case.check(torch.stack(level_l1(fake, real, args["num_high"])), tensors["level_l1"])
    for name, weights in args["weights"].items():
        loss = args["lambda_gp"] * pyramid_l1(fake, real, weights)
        case.check(loss, tensors[f"loss_{name}"])
        case.check_gradient(gradient(loss, fake), tensors[f"grad_fake_{name}"])
