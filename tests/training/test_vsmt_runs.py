"""VSMT through the loop: its task networks become model folders, and it goes on bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file
from test_loop import new_run, stop_at

from napari_virtual_ihc.methods.registry import methods
from napari_virtual_ihc.models.card import read_card
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

TASK = ("ngf=2", "n_blocks=3", "crop_size=32")
GUIDED = ("ngf=2", "ndf=2", "num_patches=16", "netf_width=8", "guide_width=4", "refresh_steps=3")


def settings_of(name: str, pairs: Path, steps: int, *switches: str) -> TrainingSettings:
    recipe = methods()[name].presets["smoke"].with_settings(switches)
    return TrainingSettings(
        method=name,
        preset="smoke",
        recipe=recipe.model_dump(mode="json"),
        data=pairs,
        mpp=0.5,
        marker="Ki-67",
        steps=steps,
        device="cpu",
        precision="32-true",
    )


def trained(name: str, stain: str, pairs: Path, folder: Path) -> Path:
    settings = settings_of(name, pairs, 2, *TASK, f"stain={stain}")
    run = new_run(folder, settings)
    assert Trainer(run, settings).train() == "finished"
    return run.model_dir


@pytest.fixture
def guided(pairs: Path, tmp_path: Path) -> TrainingSettings:
    fields = ["features=auxiliaries"]
    for name, stain in (("reconstruction", "ihc"), ("classification", "he")):
        folder = trained(f"vsmt-{name}", stain, pairs, tmp_path / f"{stain}-{name}")
        fields.append(f"{stain}_{name}={folder}")
    return settings_of("vsmt", pairs, 8, *GUIDED, *fields)


def test_a_stopped_vsmt_goes_on_bit_for_bit(tmp_path: Path, guided: TrainingSettings) -> None:
    whole = new_run(tmp_path / "whole", guided)
    Trainer(whole, guided).train()
    parts = new_run(tmp_path / "parts", guided)
    stop_at(Trainer(parts, guided), 4)
    torch.manual_seed(99)
    assert Trainer(parts, guided).train() == "finished"
    assert parts.losses() == whole.losses()
    ours, theirs = (load_file(r.model_dir / "weights.safetensors") for r in (parts, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    card = read_card(parts.model_dir)
    assert (card.kind, card.architecture) == ("generator", "resnet")
    told = [note for note in card.notes if note.startswith("Without the")]
    assert len(told) == 2


def test_a_task_network_says_what_it_learned(pairs: Path, tmp_path: Path) -> None:
    folder = trained("vsmt-classification", "ihc", pairs, tmp_path / "run")
    card = read_card(folder)
    assert (card.kind, card.architecture, card.tiling) == ("auxiliary", "classifier", "none")
    assert {figure.name for figure in card.validation} == {
        "class_accuracy",
        "class_cross_entropy",
    }
    assert any("IHC" in note for note in card.notes)
    assert any("DAB-positive area" in note for note in card.notes)
    assert any((tmp_path / "run" / "samples").iterdir())
