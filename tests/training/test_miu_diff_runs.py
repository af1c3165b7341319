"""MIU-Diff's two trainings through the loop: bit for bit after a stop, and what their cards say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file
from test_loop import new_run, stop_at

from napari_virtual_ihc.methods.registry import methods
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.stains.lab import CIELAB
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("diffusers")
SMALL = {
    "miu-diff": ("crop_size=32", "batch_size=2"),
    "miu-diff-estimator": ("crop_size=32", "batch_size=2", "widths=[8,16]"),
}


def settings_of(name: str, data: Path, *switches: str) -> TrainingSettings:
    recipe = methods()[name].presets["smoke"].with_settings([*SMALL[name], *switches])
    return TrainingSettings(
        method=name,
        preset="smoke",
        recipe=recipe.model_dump(mode="json"),
        data=data,
        mpp=0.5,
        marker="Ki-67",
        steps=4,
        device="cpu",
    )


@pytest.mark.parametrize("name", SMALL)
def test_a_stopped_training_goes_on_bit_for_bit(name: str, tmp_path: Path, pairs: Path) -> None:
    settings = settings_of(name, pairs)
    whole, parts = (new_run(tmp_path / f"{n}", settings) for n in (1, 2))
    Trainer(whole, settings).train()
    stop_at(Trainer(parts, settings), 2)
    torch.manual_seed(99)
    assert Trainer(parts, settings).train() == "finished"
    assert parts.losses() == whole.losses()
    ours, theirs = (load_file(r.model_dir / "weights.safetensors") for r in (parts, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_cards_say_what_each_serves_and_what_a_sampler_needs(
    tmp_path: Path, pairs: Path
) -> None:
    cards = {}
    for name in SMALL:
        settings = settings_of(name, pairs)
        run = new_run(tmp_path / name, settings)
        assert Trainer(run, settings).train() == "finished"
        assert len(list(run.samples_dir.glob("*.png"))) == 1
        cards[name] = load_model(run.model_dir).card
    score, estimator = cards["miu-diff"], cards["miu-diff-estimator"]
    assert (score.kind, score.architecture) == ("score", "score-unet")
    assert (estimator.kind, estimator.architecture) == ("estimator", "statistics-network")
    assert score.validation[0].name == "noise_error"
    assert len(estimator.validation) == 3
    assert estimator.output_lab == "unknown"
    assert score.output_lab != "unknown"
    assert score.output_lab.vectors == CIELAB
    assert 20 < score.output_lab.mean[0] < 95
    assert score.recipe["fields"]["train_steps"] == 1000
    assert "public code" in score.recipe["written_from"]


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_trains_to_finite_losses(name: str, tmp_path: Path, pairs: Path) -> None:
    settings = settings_of(name, pairs).model_copy(update={"precision": "bf16-mixed", "steps": 2})
    run = new_run(tmp_path / "run", settings)
    assert Trainer(run, settings).train() == "finished"
