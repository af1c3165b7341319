"""VSMT: what each phase changes, what switches take away, where features come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.vsmt import Vsmt
from napari_virtual_ihc.methods.vsmt_alignment import aligned
from napari_virtual_ihc.methods.vsmt_auxiliaries import VsmtReconstruction
from napari_virtual_ihc.methods.vsmt_classification import VsmtClassification
from napari_virtual_ihc.methods.vsmt_sources import GENERATOR_NOTE, TASKS
from napari_virtual_ihc.methods.vsmt_views import draws_of_pictures
from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.folder import save_model

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.optim import Optimizer

TINY = ["ngf=2", "ndf=2", "num_patches=16", "netf_width=8", "guide_width=4"]
KINDS = {"classification": VsmtClassification, "reconstruction": VsmtReconstruction}


class Watching:
    """Steps, and notes which networks each step of an optimiser changed."""

    def __init__(self, method: Vsmt) -> None:
        self.method = method
        self.changed: list[set[str]] = []

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        before = weights(self.method)
        optimiser.step()
        after = weights(self.method)
        self.changed.append({k for k in after if not torch.equal(before[k], after[k])})


class OnlyD(Watching):
    def step(self, optimiser: Optimizer) -> None:
        if optimiser is self.method.optimisers["D"]:
            optimiser.step()


def weights(method: Vsmt) -> dict[str, Tensor]:
    """All weights of each network as one vector."""
    return {
        letter: torch.cat([p.detach().flatten() for p in network.parameters()])
        for letter, network in method.networks.items()
    }


def batch(step: int = 0, count: int = 2, size: int = 64) -> Batch:
    source = torch.Generator().manual_seed(step)
    images = torch.rand(2, count, 3, size, size, generator=source) * 2 - 1
    return Batch(images[0], images[1], ("a",) * count, step, 1, source)


def build(*settings: str, seed: int = 1) -> Vsmt:
    return Vsmt.build(Vsmt.presets["smoke"].with_settings([*TINY, *settings]), seed)


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """Settings that name four task networks, freshly drawn."""
    found = ["features=auxiliaries"]
    for task in TASKS:
        kind = KINDS[task.field.partition("_")[2]]
        recipe = kind.presets["smoke"].with_settings([f"stain={task.stain}", "ngf=2", "n_blocks=3"])
        save_task(tmp_path / task.field, kind.build(recipe, 0))
        found.append(f"{task.field}={tmp_path / task.field}")
    return found


def save_task(folder: Path, method: VsmtReconstruction | VsmtClassification) -> None:
    name, arguments = method.architecture()
    card = ModelCard(
        name=folder.name,
        kind="auxiliary",
        architecture=name,
        arguments=arguments,
        recipe={"fields": method.recipe.model_dump(mode="json")},
        mpp_in=0.5,
        mpp_out=0.5,
        tiling="none",
    )
    save_model(folder, card, method.generator().state_dict())


def test_each_phase_changes_its_own_networks(folders: list[str]) -> None:
    method = build(*folders)
    watching = Watching(method)
    method.training_step(batch(0), watching)
    guide, plain = [{"FG1"}, {"FG2"}, {"DP2"}, {"F"}], [{"G"}, {"DP"}, {"F"}]
    assert watching.changed == [{"D"}, *guide, *plain]
    watching.changed.clear()
    method.training_step(batch(1), watching)
    assert watching.changed == [{"D"}, {"FD"}, *guide, *plain]
    assert set(method.optimisers) == {"G", "D", "F", "FD", "FG1", "FG2", "DP", "DP2"}
    assert all(not method.networks[task.letter].training for task in TASKS)


def test_fd_becomes_ds_copy_every_hundredth_step() -> None:
    method = build()
    method.training_step(batch(0), OnlyD(method))
    method.training_step(batch(99), OnlyD(method))
    assert not torch.equal(weights(method)["FD"], weights(method)["D"])
    elastic = method.memory["elastic"]
    method.training_step(batch(100), OnlyD(method))
    assert torch.equal(weights(method)["FD"], weights(method)["D"])
    assert not torch.equal(method.memory["elastic"], elastic)


def test_the_step_after_depends_on_what_is_remembered() -> None:
    method = build()
    method.training_step(batch(0), OnlyD(method))
    assert set(method.memory) == {"guided", "elastic"}
    assert method.memory["guided"].shape == (2, 3, 64, 64)
    kept = dict(method.memory)
    first = method.training_step(batch(1), OnlyD(method))
    again = build()
    again.networks["D"].load_state_dict(method.networks["D"].state_dict())
    again.memory = {"guided": kept["guided"] * 0, "elastic": kept["elastic"]}
    assert again.training_step(batch(1), OnlyD(again))["FD"].item() != first["FD"].item()


def test_g_stands_still_while_the_guide_learns() -> None:
    method = build()
    before = {k: v.clone() for k, v in method.networks["G"].state_dict().items()}
    translation = method.translate(batch())
    method._refresh(batch())
    passed = {k: v.clone() for k, v in method.networks["G"].state_dict().items()}
    assert any(not torch.equal(before[k], passed[k]) for k in before), "spectral norm iterates"
    _, teachers = method._guide_step(translation, batch(), Watching(method))
    after = method.networks["G"].state_dict()
    assert all(torch.equal(passed[k], after[k]) for k in passed)
    assert all(not features.requires_grad for features in teachers)
    assert method.networks["G"].training
    gradients = [p.grad for p in method.networks["G"].parameters()]
    assert all(gradient is None for gradient in gradients)


@pytest.mark.parametrize(
    ("settings", "gone"),
    [
        ([], set()),
        (["guidance=false"], {"FD", "FG", "FG_GAN", "FG_NCE", "FG_GP", "FG_match", "FG_task",
                              "SEL", "guide"}),
        (["alignment=none"], {"FG_match", "SEL"}),
        (["alignment=none", "lambda_task=0"], {"FG_match", "FG_task", "SEL"}),
        (["lambda_task=0"], {"FG_task"}),
        (["lambda_sel=0"], {"SEL"}),
        (["lambda_match=0"], {"FG_match"}),
        (["lambda_std=0"], {"std"}),
        (["lambda_gp=0", "lambda_gp_guided=0"], {"GP", "FG_GP"}),
        (["lambda_nce=0", "lambda_nce_guided=0"], {"NCE", "FG_NCE"}),
        (["lambda_guide=0"], {"guide"}),
        (["alignment=transport"], set()),
        (["n_classes=5"], set()),
        (["he_semantics=false"], set()),
        (["guide_loss=l2"], set()),
    ],
)  # fmt: skip
def test_a_switch_takes_its_terms_away_and_sums_stay_sums(
    settings: list[str], gone: set[str]
) -> None:
    everything = {"D", "FD", "FG", "FG_GAN", "FG_NCE", "FG_GP", "FG_match", "FG_task", "SEL",
                  "G", "GAN", "NCE", "guide", "GP", "std"}  # fmt: skip
    method = build(*settings)
    method.training_step(batch(0), Watching(method))
    watching = Watching(method)
    losses = method.training_step(batch(1), watching)
    assert set(losses) == everything - gone
    guided = {k: v for k, v in losses.items() if k.startswith("FG_") or k == "SEL"}
    if "FG" in losses:
        assert losses["FG"].item() == pytest.approx(sum(v.item() for v in guided.values()))
    plain = [v.item() for k, v in losses.items() if k in {"GAN", "NCE", "guide", "GP", "std"}]
    assert losses["G"].item() == pytest.approx(sum(plain))
    idle = {"F"} if {"NCE", "FG_NCE"} <= gone else set()
    assert set.union(*watching.changed) == set(method.optimisers) - idle


def test_every_row_of_the_ablation_table_trains(folders: list[str]) -> None:
    for settings in Vsmt.ablations.values():
        method = build(*folders, *settings)
        losses = method.training_step(batch(count=1), OnlyStill())
        assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("kind", ["matching", "transport"])
def test_what_moves_features_is_a_mixture_and_finds_them_again(kind: str) -> None:
    method = build(f"alignment={kind}", "transport_epsilon=0.02")
    source = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(1, 16, 16, generator=source), dim=1)
    order = torch.randperm(16, generator=source)
    virtual, real = direction.view(1, 16, 4, 4), direction[..., order].view(1, 16, 4, 4)
    mixture = aligned(virtual, real, method.recipe, [torch.Generator().manual_seed(1)])
    torch.testing.assert_close(mixture.sum(dim=2), torch.ones(1, 16))
    best = mixture[0].argmax(dim=1)
    found = (order[best] == torch.arange(16)).float().mean()
    assert found > (0.9 if kind == "transport" else 0.5)


def test_guidance_follows_the_published_ramp() -> None:
    recipe = Vsmt.presets["code"]
    assert recipe.guide_weight(19_000, 1) == pytest.approx(8.981054, abs=1e-6)
    assert recipe.guide_weight(19_000, 2) == 15


def test_a_picture_draws_the_same_whoever_shares_the_batch() -> None:
    whole = batch(count=3)
    part = replace(batch(count=3), he=whole.he[1:2], ihc=whole.ihc[1:2], first=1, whole=3)
    theirs, ours = draws_of_pictures(whole)[1], draws_of_pictures(part)[0]
    assert ours.initial_seed() == theirs.initial_seed()


def test_pictures_of_a_batch_do_not_see_each_other(folders: list[str]) -> None:
    """One step on two pictures has the mean losses of one step on each."""
    settings = [*folders, "lambda_nce=0", "lambda_nce_guided=0", "lambda_sel=0", "lambda_std=0",
                "n_classes=2", "alignment=transport", "spectral_norm=false"]  # fmt: skip
    both = build(*settings).training_step(batch(), OnlyStill())
    alone = []
    for i in range(2):
        one = batch()
        part = replace(one, he=one.he[i : i + 1], ihc=one.ihc[i : i + 1])
        alone.append(build(*settings).training_step(part, OnlyStill()))
    for name, value in both.items():
        mean = (alone[0][name] + alone[1][name]).item() / 2
        assert value.item() == pytest.approx(mean, rel=1e-4), name


class OnlyStill:
    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        pass


def test_features_come_from_what_is_given(folders: list[str]) -> None:
    method = build(*folders)
    assert method.sources.he == ("Cls_he", "Re_he")
    assert method.sources.ihc == ("Cls_ihc", "Re_ihc")
    assert method.sources.texture == "Re_ihc"
    assert method.notes == ()
    he = method.sources.features(method.networks, method.sources.he, batch().he)
    assert [features.shape for features in he] == [(2, 16, 16, 16)] * 2
    rec = method.networks["Re_he"].features(batch().he, (11, 12))
    assert not torch.equal(he[1][:, 8:], rec[1]), "task networks see pictures of equal brightness"
    plain = build(*folders, "reconstruction=false", "he_semantics=false")
    assert (plain.sources.he, plain.sources.ihc) == ((), ("Cls_ihc",))
    assert plain.sources.texture == "Cls_ihc"
    assert plain.notes == ()
    assert "Re_ihc" not in plain.networks


def test_what_is_missing_is_left_out_and_said(folders: list[str]) -> None:
    method = build(folders[0], *folders[3:])
    assert method.sources.he == ()
    assert len(method.notes) == 2
    assert "classification of H&E" in method.notes[0]
    assert "he_reconstruction" in method.notes[1]
    assert build().notes == (GENERATOR_NOTE,)
    assert build("guidance=false").notes == ()


def test_wrong_task_networks_are_refused_with_what_to_do(folders: list[str]) -> None:
    paths = dict(setting.split("=", 1) for setting in folders)
    train = r"virtual-ihc train --method vsmt-reconstruction --set stain=ihc"
    with pytest.raises(UsageError, match=train):
        build("features=auxiliaries", *folders[1:3])
    with pytest.raises(ModelError, match=f"no model folder; train it with {train}"):
        build("features=auxiliaries", "ihc_reconstruction=/nowhere/re")
    for wrong, said in (
        (paths["ihc_classification"], "'classifier' and not a 'rebuilder'"),
        (paths["he_reconstruction"], "learned from 'he' pictures"),
    ):
        with pytest.raises(ModelError, match=said):
            build("features=auxiliaries", f"ihc_reconstruction={wrong}")
    with pytest.raises(ModelError, match="has ngf 2, and VSMT's generator 4"):
        build(*folders, "ngf=4")
    with pytest.raises(UsageError, match="no place for 'he_classification'"):
        build(folders[1])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["block=12"], "'block'.*power of two"),
        (["block=64"], "'block'.*2 × 2"),
        (["crop_size=72"], "'block'"),
        (["n_classes=5", "block=32"], "'block'"),
        (["n_blocks=4"], "'guided_layers'.*12 to 15"),
        (["distilled_layers=[17,13]"], "'distilled_layers'"),
        (["antialias=false"], "'guided_layers'.*10 to 15"),
    ],
)
def test_shapes_that_cannot_be_are_refused(settings: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(*settings)
