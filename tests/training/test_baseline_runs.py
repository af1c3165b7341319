"""The GAN baselines through the loop: their memory survives, their U-Net fits any picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_loop import kinds, new_run, stop_at

from napari_virtual_ihc.methods.registry import methods
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.slides.open import open_slide
from napari_virtual_ihc.training import checkpoints
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.settings import TrainingSettings
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SWITCHES = {
    "pix2pix": ("ngf=4", "ndf=4"),
    "pyramidp2p": ("ngf=4", "ndf=4", "crop_size=36", "n_blocks=1"),
    "cyclegan": ("ngf=4", "ndf=4", "crop_size=36", "n_blocks=1", "pool_size=2"),
    "fastcut": ("ngf=4", "ndf=4", "crop_size=36", "n_blocks=1", "nce_layers=[0,4,8]"),
}


@pytest.fixture
def settings_of(pairs: Path) -> Callable[[str], TrainingSettings]:
    def settings(name: str) -> TrainingSettings:
        recipe = methods()[name].presets["smoke"].with_settings(SWITCHES[name])
        return TrainingSettings(
            method=name,
            preset="smoke",
            recipe=recipe.model_dump(mode="json"),
            data=pairs,
            mpp=0.5,
            marker="Ki-67",
            steps=8,
            device="cpu",
        )

    return settings


@pytest.mark.parametrize("name", SWITCHES)
def test_a_stopped_baseline_goes_on_bit_for_bit(
    name: str, tmp_path: Path, settings_of: Callable[[str], TrainingSettings]
) -> None:
    settings = settings_of(name)
    whole = new_run(tmp_path / "whole", settings)
    Trainer(whole, settings).train()
    parts = new_run(tmp_path / "parts", settings)
    stop_at(Trainer(parts, settings), 4)
    torch.manual_seed(99)
    assert Trainer(parts, settings).train() == "finished"
    assert parts.losses() == whole.losses()
    ours, theirs = (load_file(r.model_dir / "weights.safetensors") for r in (parts, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    found = checkpoints.latest(parts.checkpoints_dir)
    assert found is not None
    memory = {key: len(value) for key, value in found.tensors.items() if key.startswith("mem/")}
    assert memory == ({"mem/fake_a": 2, "mem/fake_b": 2} if name == "cyclegan" else {})


def test_a_unet_smoke_model_validates_and_translates(
    tmp_path: Path, pairs: Path, settings_of: Callable[[str], TrainingSettings]
) -> None:
    """The pictures' side of 96 px is no multiple of the network's stride of 64."""
    settings = settings_of("pix2pix").model_copy(update={"steps": 2})
    run = new_run(tmp_path / "run", settings)
    assert Trainer(run, settings).train() == "finished"
    assert {"validation", "sample"} <= set(kinds(run))
    model = load_model(run.model_dir)
    card = model.card
    assert (card.tiling, card.default_statistics, card.data_regime) == ("blended", "none", "paired")
    assert card.arguments["dropout"] == 0.5
    slide = open_slide(str(pairs / "HE" / "tile0.png"), 0.5)
    translator = Translator(model, slide, tile=64, backend="torch", cache=tmp_path / "cache")
    made = [
        tile
        for block in translator.plan.all_blocks()
        for tile in translator.compute(translator.load(block)).values()
    ]
    assert all(isinstance(tile, np.ndarray) for tile in made)
    assert any(tile[..., 3].any() for tile in made)
