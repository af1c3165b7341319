"""PSPStain through the loop: its prior becomes a model, and both go on bit for bit after a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file
from test_loop import new_run, stop_at

from napari_virtual_ihc.methods.registry import methods
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pathlib import Path

    from napari_virtual_ihc.jobs.run_folder import RunFolder

STAIN = ("ngf=4", "ndf=4", "n_blocks=1", "nce_layers=[0,4,8]", "num_patches=16", "netf_width=8")
PRIOR = ("widths=[4,4,6,6,8]", "dropout=[0.05,0.1,0.2,0.3,0.5]")


def settings_of(name: str, data: Path, *switches: str) -> TrainingSettings:
    recipe = methods()[name].presets["smoke"].with_settings(switches)
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


@pytest.fixture
def prior(tmp_path: Path, pairs: Path) -> RunFolder:
    settings = settings_of("pspstain-prior", pairs, *PRIOR)
    run = new_run(tmp_path / "prior", settings)
    assert Trainer(run, settings).train() == "finished"
    return run


def test_a_prior_becomes_a_model_that_makes_no_slides(prior: RunFolder) -> None:
    card = load_model(prior.model_dir).card
    assert (card.kind, card.architecture) == ("auxiliary", "segmentation-unet")
    assert (card.tiling, card.default_statistics) == ("none", "none")
    assert [figure.name for figure in card.validation] == ["mask_cross_entropy", "mask_dice"]
    assert len(list(prior.samples_dir.glob("*.png"))) == 1


def test_stopped_trainings_go_on_bit_for_bit(tmp_path: Path, pairs: Path, prior: RunFolder) -> None:
    chosen = {
        "pspstain": settings_of("pspstain", pairs, *STAIN, f"prior={prior.model_dir}"),
        "pspstain-prior": settings_of("pspstain-prior", pairs, *PRIOR),
    }
    for name, settings in chosen.items():
        whole, parts = (new_run(tmp_path / f"{name}-{n}", settings) for n in (1, 2))
        Trainer(whole, settings).train()
        stop_at(Trainer(parts, settings), 2)
        torch.manual_seed(99)
        assert Trainer(parts, settings).train() == "finished"
        assert parts.losses() == whole.losses()
        ours, theirs = (load_file(r.model_dir / "weights.safetensors") for r in (parts, whole))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    (note,) = [n for n in load_model(tmp_path / "pspstain-1" / "model").card.notes if "SHA" in n]
    assert load_model(prior.model_dir).weights_hash in note
