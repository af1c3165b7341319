"""Joining a score network and an estimator of information to a model that translates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.methods.miu_diff_model import join
from napari_virtual_ihc.methods.registry import method_named
from napari_virtual_ihc.models.card import ModelCard, ValidationFigure
from napari_virtual_ihc.models.folder import Model, load_model, save_model
from napari_virtual_ihc.networks.miu_diff import MiuDiffNetworks

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("diffusers")


def trained(folder: Path, method: str, information: float = 1.0, **facts: Any) -> Model:
    """A model as a training leaves it, its weights as drawn."""
    kind = method_named(method)
    learner = kind.build(kind.presets["smoke"], 0)
    architecture, arguments = learner.architecture()
    figures = {"mutual_information": information, "shuffled_information": 0.0}
    card = {
        "name": method, "kind": learner.artifact, "method": learner.title, "marker": "HER2",
        "recipe": {"method": method, "fields": learner.recipe.model_dump(mode="json")},
        "architecture": architecture,
        "arguments": arguments, "mpp_in": 1.0, "mpp_out": 1.0, "tiling": "none",
        "validation": [ValidationFigure(name=n, value=v, protocol="p") for n, v in figures.items()],
    }  # fmt: skip
    state = learner.generator().state_dict()
    save_model(folder, ModelCard.model_validate(card | facts), state)
    return load_model(folder)


@pytest.fixture
def score(tmp_path: Path) -> Model:
    return trained(tmp_path / "score", "miu-diff")


def test_both_networks_are_in_one_folder_with_their_sampler(score: Model, tmp_path: Path) -> None:
    estimator = trained(tmp_path / "estimator", "miu-diff-estimator")
    card = join(score, estimator, tmp_path / "joined", name="joined", sampler={"steps": 10})
    joined = load_model(tmp_path / "joined")
    network = joined.network()
    assert isinstance(network, MiuDiffNetworks)
    for part, source in (("score", score), ("statistics", estimator)):
        own = getattr(network, part).state_dict()
        assert all(torch.equal(own[key], value) for key, value in source.state.items())
    assert card.kind == "diffusion"
    assert joined.card.sampler["steps"] == 10
    assert {figure.name for figure in joined.card.validation} >= {"mutual_information"}


def test_half_precision_halves_the_file(score: Model, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    join(score, None, whole, name="whole")
    join(score, None, half, name="half", half=True)
    sizes = [(folder / "weights.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.55 * sizes[0]
    assert load_model(half).network().score.unet.conv_in.weight.dtype == torch.float32


def test_a_model_without_estimator_is_not_guided_by_information(
    score: Model, tmp_path: Path
) -> None:
    card = join(score, None, tmp_path / "joined", name="joined")
    assert card.sampler["guidance"] == "off"
    assert any("No estimator" in note for note in card.notes)


def test_an_estimator_that_has_not_converged_is_told_on_the_card(
    score: Model, tmp_path: Path
) -> None:
    estimator = trained(tmp_path / "estimator", "miu-diff-estimator", information=0.01)
    card = join(score, estimator, tmp_path / "joined", name="joined")
    assert any("has not converged" in note for note in card.notes)


@pytest.mark.parametrize(
    ("facts", "told"),
    [({"marker": "Ki-67"}, "markers"), ({"mpp_in": 0.5, "mpp_out": 0.5}, "scales")],
)
def test_networks_of_two_kinds_are_not_joined(
    score: Model, tmp_path: Path, facts: dict[str, Any], told: str
) -> None:
    estimator = trained(tmp_path / "estimator", "miu-diff-estimator", **facts)
    with pytest.raises(ModelError, match=told):
        join(score, estimator, tmp_path / "joined", name="joined")
    with pytest.raises(ModelError, match="miu-diff-estimator"):
        join(estimator, None, tmp_path / "joined", name="joined")


def test_a_sampler_the_estimator_did_not_learn_for_is_refused(score: Model, tmp_path: Path) -> None:
    estimator = trained(tmp_path / "estimator", "miu-diff-estimator")
    with pytest.raises(ModelError, match="starts at 400"):
        join(score, estimator, tmp_path / "joined", name="joined", sampler={"start": 400})
    with pytest.raises(UsageError, match="pace"):
        join(score, estimator, tmp_path / "joined", name="joined", sampler={"pace": 3})
