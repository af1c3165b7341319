from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_virtual_ihc.errors import CheckpointError
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.models.importing import ImportFacts, import_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

FACTS = ImportFacts("golden", 0.5, "HER2")


@pytest.mark.golden(r"asp_G_resnet\d_(antialias|spectral)$")
def test_reference_checkpoints_import_and_reproduce(case, tmp_path: Path) -> None:
    if "weights_pth" not in case.entry["files"]:
        pytest.skip("this case has no checkpoint file")
    folder = import_checkpoint(case.file("weights_pth"), FACTS, tmp_path / "golden")
    model, tensors = load_model(folder), case.tensors()
    with torch.inference_mode():
        case.check(model.network()(tensors["input"]), tensors["output"])
    assert not any("weight_u" in key for key in model.state)


@pytest.mark.golden(r"asp_(D_.*_spectral|F_patchsample)$")
def test_other_networks_are_told_apart(case, tmp_path: Path) -> None:
    told = "projection head" if "_F_" in case.entry["id"] else "discriminator"
    with pytest.raises(CheckpointError, match=told):
        import_checkpoint(case.file("weights_pth"), FACTS, tmp_path / "golden")
