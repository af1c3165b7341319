from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from training_pictures import write_pair

from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable
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
    "n_epochs=3",
    "n_epochs_decay=1",
]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    folder = tmp_path / "pairs"
    for seed in range(5):
        write_pair(folder, f"tile{seed}", seed)
    return folder


@pytest.fixture
def tiny(pairs: Path) -> Callable[..., TrainingSettings]:
    def settings(*switches: str, **fields: object) -> TrainingSettings:
        recipe = Asp.presets["smoke"].with_settings([*TINY, *switches])
        basis = {
            "method": "asp",
            "preset": "smoke",
            "recipe": recipe.model_dump(mode="json"),
            "data": pairs,
            "mpp": 0.5,
            "marker": "Ki-67",
            "steps": 6,
            "device": "cpu",
        }
        return TrainingSettings.model_validate(basis | fields)

    return settings
