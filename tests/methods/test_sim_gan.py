from __future__ import annotations

import pytest
import torch

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.recipe import read_recipe
from napari_virtual_ihc.methods.sim_gan import SimGan, SimGanRecipe


class Still:
    def backward(self, loss: torch.Tensor) -> None:
        pass

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        pass


def losses(*settings: str, ihc_is_he: bool = False) -> dict[str, float]:
    method = SimGan.build(SimGan.presets["smoke"].with_settings(settings), seed=0)
    source = torch.Generator().manual_seed(0)
    he, ihc = torch.rand(2, 2, 3, 64, 64, generator=source) * 2 - 1
    batch = Batch(he, he if ihc_is_he else ihc, ("a", "b"), 0, 1, source)
    return {name: float(value) for name, value in method.training_step(batch, Still()).items()}


def test_the_paper_recipe_is_the_launchers() -> None:
    recipe = SimGan.presets["paper"]
    wanted = {
        "nce_idt": True,
        "lambda_nce": 1,
        "lambda_cc": 10,
        "lambda_mc": 10000,
        "mc_cost": "easy",
        "mc_iterations": 50,
        "n_epochs": 50,
        "n_epochs_decay": 50,
        "batch_size": 8,
        "crop_size": 256,
        "spectral_norm": True,
    }
    assert {name: getattr(recipe, name) for name in wanted} == wanted


def test_the_total_is_the_sum_of_its_terms() -> None:
    found = losses()
    assert set(found) == {"D", "GAN", "NCE", "NCE_Y", "CC", "MC", "G"}
    terms = [found[name] for name in ("GAN", "NCE", "NCE_Y", "CC", "MC")]
    assert found["G"] == pytest.approx(sum(terms), rel=1e-5)


@pytest.mark.parametrize(
    ("row", "gone"), [("w/o CC", {"CC"}), ("w/o MC", {"MC"}), ("w/o CC and MC", {"CC", "MC"})]
)
def test_a_row_of_the_ablation_table_drops_its_terms(row: str, gone: set[str]) -> None:
    full, less = losses(), losses(*SimGan.ablations[row])
    assert set(full) - set(less) == gone
    assert less["NCE"] == full["NCE"]


def test_both_contrasts_count_one_half_with_the_identity() -> None:
    whole, alone = losses("num_patches=4096"), losses("num_patches=4096", "nce_idt=false")
    assert "NCE_Y" not in alone
    assert alone["NCE"] == pytest.approx(2 * whole["NCE"], rel=1e-3)


def test_the_way_of_matching_is_a_switch() -> None:
    easy, hard, sharp = losses(), losses("mc_cost=hard"), losses("mc_epsilon=0.5")
    assert len({easy["MC"], hard["MC"], sharp["MC"]}) == 3
    assert easy["CC"] == hard["CC"]


@pytest.mark.parametrize("fields", [{"batch_size": 1}, {"batch_size": 1, "lambda_cc": 5}])
def test_a_batch_of_one_is_refused_by_the_fields_name(fields: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"'lambda_cc'.*'batch_size' 1") as caught:
        read_recipe(SimGanRecipe, fields)
    assert str(caught.value).count(".") == 1


def test_a_batch_of_one_is_fine_without_cc() -> None:
    recipe = read_recipe(SimGanRecipe, {"batch_size": 1, "lambda_cc": 0})
    assert recipe.batch_size == 1
