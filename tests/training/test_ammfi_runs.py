"""A run of the multi-magnification attention method, from pairs to a model that translates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file

from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.methods.ammfi import Ammfi
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.networks.norm_statistics import norm_layers
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings
from napari_virtual_ihc.translation.plan import facts_of

if TYPE_CHECKING:
    from pathlib import Path

TINY = [
    "ngf=4",
    "ndf=4",
    "n_blocks=1",
    "nce_layers=[0,4,8]",
    "num_patches=16",
    "netf_width=8",
    "crop_size=36",
    "batch_size=1",
]


def run_of(path: Path, pairs: Path, *settings: str) -> tuple[RunFolder, TrainingSettings]:
    recipe = Ammfi.presets["smoke"].with_settings([*TINY, *settings])
    facts = {"method": "ammfi", "preset": "smoke", "recipe": recipe.model_dump(mode="json")}
    facts |= {"data": pairs, "mpp": 0.5, "marker": "HER2", "steps": 5, "device": "cpu"}
    chosen = TrainingSettings.model_validate(facts)
    told = {"kind": "train", "settings": chosen.model_dump(mode="json")}
    return RunFolder.create(path, told, "train"), chosen


def test_its_card_says_that_it_is_blended_and_what_enlarged_its_crops(
    tmp_path: Path, pairs: Path
) -> None:
    run, settings = run_of(tmp_path / "run", pairs)
    assert Trainer(run, settings).train() == "finished"
    model = load_model(run.model_dir)
    card = model.card
    assert (card.architecture, card.tiling, card.dependency_radius) == ("ammfi", "blended", None)
    assert card.default_statistics == "slide"
    assert not card.arguments["spectral"]
    assert card.recipe["written_from"] == "re-implementation from the paper; no public code"
    assert any("enlarged by bicubic interpolation" in note for note in card.notes)
    facts = facts_of(card)
    assert (facts.normed, facts.exact, facts.foldable) == (True, False, False)
    network = model.network()
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert norm_layers(network)
    running = [v for k, v in model.state.items() if k.endswith("running_mean")]
    assert len(running) == 6
    assert all(value.abs().max() > 0 for value in running)


def test_the_baseline_is_a_resnet_that_tiles_exactly(tmp_path: Path, pairs: Path) -> None:
    run, settings = run_of(tmp_path / "run", pairs, *Ammfi.ablations["Our Baseline"])
    assert Trainer(run, settings).train() == "finished"
    card = load_model(run.model_dir).card
    assert (card.architecture, card.tiling) == ("resnet", "exact")
    assert not any("enlarged" in note for note in card.notes)


@pytest.mark.parametrize("switch", ["ammfi_norm=batch", "ammfi_norm=instance"])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, pairs: Path, switch: str) -> None:
    whole, settings = run_of(tmp_path / "whole", pairs, switch)
    Trainer(whole, settings).train()
    parts, settings = run_of(tmp_path / "parts", pairs, switch)
    first = Trainer(parts, settings)

    def report(done: int, total: int) -> None:
        first._stop.asked = done == 2

    assert first.train(report) == "stopped"
    assert Trainer(parts, settings).train() == "finished"
    assert parts.losses() == whole.losses()
    ours, theirs = (load_file(r.model_dir / "weights.safetensors") for r in (parts, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
