"""VSMT's losses, matching and views, reproduced in value and gradient."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from napari_virtual_ihc.losses.distillation import (
    feature_distance,
    guidance_ramp,
    guidance_weight,
)
from napari_virtual_ihc.losses.hed import hed_to_rgb, restained, rgb_to_hed
from napari_virtual_ihc.losses.matching import alignment, cosines, move_blocks, pair_classes
from napari_virtual_ihc.losses.statistics import variance_constraint
from napari_virtual_ihc.losses.structure_contrast import structure_contrast
from napari_virtual_ihc.losses.structure_views import low_passed, pixels_shuffled, with_brightness
from napari_virtual_ihc.networks.guidance import (
    FeatureGenerator,
    FeatureGeneratorConfig,
    GuidanceProjection,
)

UNUSED = "neg_avg.0.weight"
"""A layer of the published structure generator that takes no part in what it computes."""


def sibling(case, name: str):
    """Return another case of the same index."""
    entries = json.loads((case.folder / "index.json").read_text())["cases"]
    return replace(case, entry=next(entry for entry in entries if entry["id"] == name))


def feature_generator(args, weights, prefix: str) -> FeatureGenerator:
    structure = args["shifter_p1_out"] if prefix == "FG2." else 0
    config = FeatureGeneratorConfig(args["in_ch"], args["in_ch"], args["out_ch"], structure)
    network = FeatureGenerator(config)
    state = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    state.pop(UNUSED, None)
    network.load_state_dict(state)
    return network


def aligned(network: FeatureGenerator, tensors, partner: torch.Tensor) -> torch.Tensor:
    """Return A for the given labels, (1, P, P)."""
    fake, real = (network.cells(tensors[f"{side}_input"]).flatten(2) for side in ("fake", "recon"))
    fake_labels, real_labels = tensors["kmeans_labels"]
    return alignment(cosines(fake, real)[0], fake_labels, real_labels, partner)[None]


def as_map(mixture: torch.Tensor) -> torch.Tensor:
    """Lay A out as the reference does: block (i, j) holds the weights of fake cell (i, j)."""
    side = round(mixture.shape[1] ** 0.5)
    blocks = mixture.reshape(1, side, side, side, side).permute(0, 1, 3, 2, 4)
    return blocks.reshape(1, 1, side * side, side * side)


@pytest.mark.golden("vsmt_hed")
def test_stain_densities(case) -> None:
    tensors = case.tensors()
    hed = rgb_to_hed(tensors["rgb"])
    case.check(hed, tensors["hed"])
    case.check(hed_to_rgb(hed), tensors["rgb_roundtrip"])
    for name, kept in (("rgb_h_only", 0), ("rgb_dab_only", 2)):
        alone = torch.full_like(hed, -1)
        alone[:, kept] = hed[:, kept]
        case.check(hed_to_rgb(alone), tensors[name])
    factors = float(tensors["h_factor"]), float(tensors["d_factor"])
    case.check(restained(tensors["rgb"], *factors), tensors["rgb_jittered"])


@pytest.mark.golden("vsmt_matching$")
def test_matching_moves_and_fuses(case) -> None:
    tensors, args = case.tensors(), case.args
    second = feature_generator(args, case.state(), "FG2.")
    fake, real = second.cells(tensors["fake_input"]), second.cells(tensors["recon_input"])
    case.check(fake, tensors["avg_he"])
    case.check(real, tensors["avg_ihc"])
    vectors = [cells[0].flatten(1).T for cells in (fake, real)]
    partner = pair_classes(*vectors, *tensors["kmeans_labels"], args["n_clusters"])
    assert torch.equal(partner, tensors["best_permutation"])
    mixture = aligned(second, tensors, partner)
    case.check(as_map(mixture), tensors["shift"])
    moved = move_blocks(tensors["ihc_fea"], mixture)
    case.check(moved, tensors["shifted_ihc"])
    case.check(move_blocks(tensors["recon_input"], mixture), tensors["shift_recon"])
    case.check(second(tensors["he_fea"], moved), tensors["fusion"])
    first = feature_generator(args, case.state(), "FG1.")
    case.check(first(tensors["he_fea"], moved), tensors["fg1_fusion"])
    names = (("fake_input", "cp_anchor"), ("pos_fea", "cp_pos"), ("neg_fea", "cp_neg"))
    for features, vectors_name in names:
        case.check(second.contrasted(tensors[features]), tensors[vectors_name])


@pytest.mark.golden("vsmt_matching_grad")
def test_matching_has_the_published_gradient(case) -> None:
    tensors = case.tensors()
    whole = sibling(case, "vsmt_matching")
    inputs = whole.tensors()
    second = feature_generator(whole.args, whole.state(), "FG2.")
    fake = inputs["fake_input"].requires_grad_(True)
    mixture = aligned(second, inputs, inputs["best_permutation"])
    loss = torch.nn.functional.l1_loss(
        move_blocks(inputs["recon_input"], mixture), inputs["pos_fea"]
    )
    case.check(loss, tensors["loss"])
    (slope,) = torch.autograd.grad(loss, fake)
    case.check_gradient(slope, tensors["grad_fake_input"])


@pytest.mark.golden("vsmt_match_centers")
def test_classes_are_paired_as_published(case) -> None:
    tensors = case.tensors()
    for number in range(case.args["n_cases"]):
        fake, real = (tensors[f"avg_{side}"][number, 0].flatten(1).T for side in ("he", "ihc"))
        labels = [tensors[f"{side}_labels"][number] for side in ("he", "ihc")]
        partner = pair_classes(fake, real, *labels, case.args["n_clusters"])
        assert torch.equal(partner, tensors["permutation"][number])


@pytest.mark.golden("vsmt_structure_contrastive")
def test_structure_contrast(case) -> None:
    tensors, args = case.tensors(), case.args
    roles = ("anchor", "positive", "negative")
    for warm, cold in args["temperatures"]:
        cells = [tensors[role].detach().requires_grad_(True) for role in roles]
        loss = structure_contrast(
            *cells, temperature=warm, negative_temperature=cold, margin=args["margin"]
        )
        case.check(loss, tensors[f"loss_{warm}_{cold}"])
        for role, slope in zip(roles, torch.autograd.grad(loss, cells), strict=True):
            case.check_gradient(slope, tensors[f"grad_{role}_{warm}_{cold}"])


@pytest.mark.golden("vsmt_std_loss")
def test_variance_constraint(case) -> None:
    tensors = case.tensors()
    for size in ("large", "small"):
        for weight in case.args["weights"]:
            fake = tensors[f"generated_{size}"].detach().requires_grad_(True)
            loss = variance_constraint(fake, tensors[f"target_{size}"], weight)
            case.check(loss, tensors[f"loss_{size}_w{weight}"])
            (slope,) = torch.autograd.grad(loss, fake)
            case.check_gradient(slope, tensors[f"grad_{size}_w{weight}"])


@pytest.mark.golden("vsmt_adjust_brightness")
def test_brightness(case) -> None:
    tensors = case.tensors()
    for target in case.args["targets"]:
        image = tensors["image"]
        case.check(((image + 1) / 2).mean()[None], tensors[f"brightness_{target}"])
        case.check(with_brightness(image, target), tensors[f"adjusted_{target}"])


@pytest.mark.golden("vsmt_dis_loss")
def test_guidance(case) -> None:
    tensors, args = case.tensors(), case.args
    network = GuidanceProjection(args["in_channels"], args["out_channels"])
    network.load_state_dict(case.state())
    layers = range(len(tensors["l1_per_layer"]))
    students = [tensors[f"student_{i}"].requires_grad_(True) for i in layers]
    teachers = [tensors[f"teacher_{i}"] for i in layers]
    case.check(network(students[0]), tensors["projected_student_0"])
    distances = [feature_distance([pair], network) for pair in zip(students, teachers, strict=True)]
    case.check(torch.stack(distances), tensors["l1_per_layer"])
    total = feature_distance(zip(students, teachers, strict=True), network)
    for i, slope in enumerate(torch.autograd.grad(total, students)):
        case.check_gradient(slope, tensors[f"grad_student_{i}"])
    for final, epochs, batch, iteration, weight in tensors["schedule"].tolist():
        ramp = guidance_ramp(epochs, 4000, int(batch))
        ours = guidance_weight(int(iteration), ramp, final)
        assert ours == pytest.approx(weight, rel=case.entry["tolerance"]["rtol"], abs=1e-12)


@pytest.mark.golden("vsmt_transforms")
def test_views_that_destroy_structure(case) -> None:
    tensors = case.tensors()
    image = tensors["image"]
    case.check(low_passed(image, float(tensors["cutoff_ratio"])), tensors["lowpass"])
    case.check(pixels_shuffled(image, tensors["perm"]), tensors["shuffled"])
