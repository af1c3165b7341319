"""PSPStain: its recipe and terms, what the frozen prior does, and the prior's training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.losses.focal_density import FocalDensity
from napari_virtual_ihc.losses.protein_awareness import protein_awareness
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.pspstain import PspStain
from napari_virtual_ihc.methods.pspstain_prior import PspStainPrior, dice
from napari_virtual_ihc.methods.pspstain_recipe import PspStainRecipe
from napari_virtual_ihc.methods.recipe import read_recipe
from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.folder import save_model
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.optim import Optimizer

    from napari_virtual_ihc.methods.base import Engine

SMALL = ("ngf=4", "n_blocks=1", "ndf=4", "nce_layers=[0,4,8]", "num_patches=16", "netf_width=8")
TERMS = {"GAN", "NCE", "GP", "SSIM", "MLPA", "CTPC"}


class Plain:
    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def step(self, optimiser: Optimizer) -> None:
        optimiser.step()


class Still(Plain):
    def step(self, optimiser: Optimizer) -> None:
        pass


def batch(seed: int = 0, count: int = 2) -> Batch:
    source = torch.Generator().manual_seed(seed)
    he, ihc = torch.rand(2, count, 3, 64, 64, generator=source) * 2 - 1
    return Batch(he, ihc, ("a",) * 2 * count, 0, 1, source)


def made_prior(*settings: str) -> PspStainPrior:
    small = ("widths=[4,4,6,6,8]", "dropout=[0.05,0.1,0.2,0.3,0.5]", *settings)
    return PspStainPrior.build(PspStainPrior.presets["smoke"].with_settings(small), 0)


@pytest.fixture
def prior(tmp_path: Path) -> Path:
    method = made_prior()
    method.training_step(batch(7), Plain())
    path = tmp_path / "BCI_unet_seg.pth"
    torch.save(method.generator().state_dict(), path)
    return path


def made(*settings: str) -> PspStain:
    return PspStain.build(PspStain.presets["smoke"].with_settings((*SMALL, *settings)), seed=0)


def losses(
    method: PspStain, seen: Batch | None = None, engine: Engine | None = None
) -> dict[str, float]:
    found = method.training_step(seen or batch(), engine or Still())
    return {name: float(value) for name, value in found.items()}


def test_the_paper_recipe_is_the_launchers() -> None:
    recipe = PspStain.presets["paper"]
    wanted = {
        "n_epochs": 80,
        "n_epochs_decay": 0,
        "batch_size": 4,
        "load_size": 1024,
        "crop_size": 512,
        "sampling": "shuffled",
        "lr": 1e-4,
        "nce_idt": False,
        "lambda_nce": 1,
        "lambda_gp": 10,
        "lambda_ssim": 0.05 * 5,
        "lambda_mlpa": 1,
        "lambda_ctpc": 2.5,
        "fod_alpha": 1.8,
        "fod_threshold": 0.15,
        "fod_mask_threshold": 0.68,
        "fod_input": "signed",
        "n_blocks": 6,
        "n_layers_d": 5,
        "ndf": 32,
        "spectral_norm": True,
    }
    assert {name: getattr(recipe, name) for name in wanted} == wanted
    jitter = recipe.augmentation
    assert (jitter.brightness, jitter.contrast, jitter.saturation) == (0.3, 0.3, 0.2)
    assert not jitter.changes_appearance


def test_the_discriminator_learns_20_times_slower() -> None:
    method = made("lr=1e-4")
    rates = {n: o.param_groups[0]["initial_lr"] for n, o in method.optimisers.items()}
    assert rates == pytest.approx({"G": 1e-4, "D": 5e-6, "F": 1e-4})


def test_the_total_is_the_sum_of_its_terms(prior: Path) -> None:
    found = losses(made(f"prior={prior}"))
    assert set(found) == TERMS | {"D", "G"}
    assert found["G"] == pytest.approx(sum(found[name] for name in TERMS), rel=1e-5)


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        ("w/o PALS", {"MLPA"}),
        ("w/o PCLS", {"CTPC"}),
        ("w/o PALS and PCLS", {"MLPA", "CTPC"}),
        ("w/o SSIM", {"SSIM"}),
        ("w/o GP", {"GP"}),
    ],
)
def test_a_row_of_the_ablation_table_drops_its_terms(row: str, gone: set[str], prior: Path) -> None:
    full = losses(made(f"prior={prior}"))
    method = made(f"prior={prior}", *PspStain.ablations[row])
    less = losses(method)
    assert set(full) - set(less) == gone
    assert less["NCE"] == full["NCE"]
    assert ("Seg" in method.networks) == ("CTPC" not in gone)


def test_switches_reach_the_densities() -> None:
    method, again = (
        made("fod_alpha=2.5", "fod_threshold=0.3", "fod_input=unit", "blocks=2") for _ in range(2)
    )
    seen = batch()
    focal = FocalDensity(2.5, 0.3, 0.68, "unit")
    expected = protein_awareness(again.translate(seen).fake, seen.ihc, focal, 2).total()
    assert losses(method)["MLPA"] == pytest.approx(expected.item(), rel=1e-4)


def test_without_a_prior_the_card_says_what_is_missing(prior: Path) -> None:
    assert "Seg" not in made().networks
    (note,) = made().notes
    assert "without prototype consistency" in note
    assert "--method pspstain-prior" in note
    assert made("lambda_ctpc=0").notes == ()
    (note,) = made(f"prior={prior}").notes
    assert "SHA-256" in note


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_prior_is_frozen(mode: str, prior: Path) -> None:
    method = made(f"prior={prior}", f"prior_mode={mode}")
    network = method.networks["Seg"]
    before = {k: v.clone() for k, v in network.state_dict().items() if v.is_floating_point()}
    losses(method, engine=Plain())
    after = network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert "Seg" not in method.optimisers


def test_prototypes_teach_the_generator(prior: Path) -> None:
    method = made(f"prior={prior}")
    seen = batch()
    fake = method.translate(seen).fake
    terms = method.generator_losses(method.translate(seen), seen)
    (gradient,) = torch.autograd.grad(method._prototypes(fake, seen), fake)
    assert terms["CTPC"].requires_grad
    assert gradient.isfinite().all()
    assert (gradient.abs().amax(dim=(1, 2, 3)) > 0).all()


def test_a_pair_has_its_own_masks_and_norms_whoever_shares_the_batch(prior: Path) -> None:
    method = made(f"prior={prior}")
    whole = batch(count=4)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1
    state = whole.generator.get_state()
    expected = method._prototypes(images, whole).item()
    found = 0.0
    for first in (0, 2):
        source = torch.Generator()
        source.set_state(state)
        rows = slice(first, first + 2)
        part = Batch(whole.he[rows], whole.ihc[rows], whole.names, 0, 1, source, first, 4)
        found += method._prototypes(images[rows], part).item() / 2
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_mode_of_the_prior_is_a_switch(prior: Path) -> None:
    train, evaluated = (made(f"prior={prior}", f"prior_mode={m}") for m in ("train", "eval"))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1
    values = [[m._prototypes(images, batch(n)).item() for n in (0, 0)] for m in (train, evaluated)]
    assert values[0][0] == values[0][1]
    assert values[0][0] != values[1][0]


def test_a_step_with_a_prior_goes_on_from_its_checkpoint_bit_for_bit(
    prior: Path, tmp_path: Path
) -> None:
    recipe = PspStain.presets["smoke"].with_settings((*SMALL, f"prior={prior}"))
    method, again = (PspStain.build(recipe, seed) for seed in (1, 2))
    losses(method, batch(1), Plain())
    state = State(method, None, None, torch.device("cpu")).capture(1, [method.memory])
    checkpoints.save(tmp_path, state)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    State(again, None, None, torch.device("cpu")).restore(found, 0)
    for seed in (2, 3):
        ours, theirs = (losses(m, batch(seed), Plain()) for m in (again, method))
        assert ours == theirs


def test_crops_too_small_for_the_scales_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"'lambda_ssim'.*5 scales needs 'crop_size' 176"):
        read_recipe(PspStainRecipe, {"crop_size": 128})
    assert read_recipe(PspStainRecipe, {"crop_size": 128, "lambda_ssim": 0}).crop_size == 128
    assert read_recipe(PspStainRecipe, {"crop_size": 128, "ssim_weights": [0.5, 0.5]})


def test_a_prior_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.pth"
    with pytest.raises(ModelError, match=r"none\.pth"):
        made(f"prior={path}")


def test_a_trained_prior_is_a_model_folder_that_pspstain_takes(tmp_path: Path) -> None:
    method = made_prior()
    architecture, arguments = method.architecture()
    card = ModelCard(
        name="prior",
        kind="auxiliary",
        architecture=architecture,
        arguments=arguments,
        mpp_in=0.5,
        mpp_out=0.5,
        tiling="none",
    )
    save_model(tmp_path / "prior", card, method.generator().state_dict())
    found = made(f"prior={tmp_path / 'prior'}").networks["Seg"].state_dict()
    for key, value in method.generator().state_dict().items():
        assert torch.equal(found[key], value)


def test_a_prior_learns_its_masks() -> None:
    method = made_prior("lr=0.01", "dropout=[0,0,0,0,0]")
    seen = batch()
    image = torch.full((2, 3, 64, 64), 0.9)
    image[:, :, 16:48, 16:48] = torch.tensor([0.1, -0.3, -0.6]).view(3, 1, 1)
    shown = Batch(image, image, seen.names, 0, 1, seen.generator)
    assert method.masks(image).sum(dim=(1, 2)).tolist() == [1024, 1024]
    steps = [method.training_step(shown, Plain())["CE"].item() for _ in range(40)]
    assert steps[-1] < 0.3 * steps[0]


def test_a_prior_is_judged_and_shown() -> None:
    method = made_prior()
    network = method.generator().eval()
    with torch.no_grad():
        figures, picture = method.examine(network, batch()), method.picture(network, batch())
    assert list(figures) == list(method.protocols)
    assert 0 <= figures["mask_dice"] <= 1
    assert picture.shape == (3, 128, 192)
    mask = method.masks(batch().ihc)[0]
    assert torch.equal(picture[0, :64, 64:128] == 1, mask)


def test_dice_counts_an_empty_mask_that_is_told_as_right() -> None:
    empty, full = torch.zeros(1, 4, 4, dtype=torch.bool), torch.ones(1, 4, 4, dtype=torch.bool)
    half = full.clone()
    half[:, :2] = False
    found = torch.cat([empty, full, half])
    masks = torch.cat([empty, empty, full])
    assert dice(found, masks).tolist() == pytest.approx([1, 0, 2 / 3])
