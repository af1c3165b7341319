from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.mdcl import Mdcl


class Still:
    def backward(self, loss: torch.Tensor) -> None:
        pass

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        pass


def losses(method: Asp) -> dict[str, float]:
    source = torch.Generator().manual_seed(0)
    images = torch.rand(2, 2, 3, 64, 64, generator=source) * 2 - 1
    batch = Batch(images[0], images[1], ("a", "b"), 0, 1, source)
    return {name: float(value) for name, value in method.training_step(batch, Still()).items()}


def mdcl(*settings: str) -> dict[str, float]:
    return losses(Mdcl.build(Mdcl.presets["smoke"].with_settings(settings), seed=0))


def test_the_paper_recipe_is_the_launchers() -> None:
    recipe = Mdcl.presets["paper"]
    wanted = {
        "nce_idt": True,
        "lambda_nce": 1,
        "lambda_asp": 1,
        "lambda_gp": 10,
        "n_epochs": 30,
        "n_epochs_decay": 10,
        "batch_size": 1,
        "crop_size": 512,
        "spectral_norm": True,
        "n_blocks": 6,
        "ndf": 32,
        "n_layers_d": 5,
    }
    assert {name: getattr(recipe, name) for name in wanted} == wanted


def test_inter_only_is_asp_with_other_weights() -> None:
    asp = Asp.presets["smoke"].with_settings(["lambda_nce=1", "lambda_asp=1"])
    inter = mdcl(*Mdcl.ablations["inter only"])
    assert inter == losses(Asp.build(asp, seed=0))
    assert set(inter) == {"D", "GAN", "NCE", "NCE_Y", "ASP", "GP", "G"}


@pytest.mark.parametrize(
    ("row", "changed"),
    [("mixed in NCE only", {"NCE", "NCE_Y"}), ("mixed in ASP only", {"ASP"})],
)
def test_each_term_is_mixed_by_its_own_switch(row: str, changed: set[str]) -> None:
    inter, mixed = mdcl(*Mdcl.ablations["inter only"]), mdcl(*Mdcl.ablations[row])
    assert {name for name in inter if inter[name] != mixed[name]} == changed | {"G"}
    assert all(mixed[name] > inter[name] for name in changed)


def test_the_demo_is_that_of_asp_with_mixed_negatives() -> None:
    theirs, ours = (kind.presets["demo"].model_dump() for kind in (Asp, Mdcl))
    assert set(ours) - set(theirs) == {"nce_negatives", "asp_negatives"}
    assert {name: ours[name] for name in theirs} == theirs
