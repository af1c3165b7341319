from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.models.card import read_card
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.models.importing import ImportFacts, import_checkpoint
from napari_virtual_ihc.models.test_mode import NOTE
from napari_virtual_ihc.networks.dropout import dropout_layers
from napari_virtual_ihc.networks.registry import build

if TYPE_CHECKING:
    from pathlib import Path

FACTS = ImportFacts("mine", 0.5, "HER2", reference_test_mode=True)


def checkpoint(tmp_path: Path, name: str, **arguments: Any) -> Path:
    path = tmp_path / "latest_net_G.pth"
    torch.save(build(name, {"ngf": 2} | arguments).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("options", "dropout", "said"),
    [
        (None, 0.5, "the default of its code"),
        ("no_dropout: False", 0.5, "as the options file says"),
        ("no_dropout: True\t[default: False]", 0.0, "as the options file says"),
    ],
)
def test_a_unet_is_tested_with_the_dropout_of_its_code(
    tmp_path: Path, options: str | None, dropout: float, said: str
) -> None:
    path = checkpoint(tmp_path, "unet", n_downs=7)
    if options is not None:
        (tmp_path / "train_opt.txt").write_text(f"   {options}\n")
    model = load_model(import_checkpoint(path, FACTS, tmp_path / "mine"))
    card = model.card
    assert card.reference_test_mode
    assert card.arguments["dropout"] == dropout
    assert len(dropout_layers(model.network())) == (2 if dropout else 0)
    assert NOTE in card.notes
    assert any(said in note for note in card.notes)


def test_a_batch_norm_resnet_is_blended_in_this_mode_and_exact_without(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "resnet", norm="batch", dropout=0.5, n_blocks=1)
    tested = read_card(import_checkpoint(path, FACTS, tmp_path / "tested"))
    plain_facts = replace(FACTS, reference_test_mode=False)
    plain = read_card(import_checkpoint(path, plain_facts, tmp_path / "plain"))
    assert (tested.tiling, tested.reference_test_mode) == ("blended", True)
    assert (plain.tiling, plain.reference_test_mode) == ("exact", False)
    assert tested.weights_sha256 == plain.weights_sha256
    assert NOTE not in plain.notes


def test_a_network_that_the_mode_would_not_change_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "resnet", n_blocks=1)
    with pytest.raises(UsageError, match="neither BatchNorm nor dropout"):
        import_checkpoint(path, FACTS, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_the_command_sets_the_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = checkpoint(tmp_path, "unet", n_downs=5)
    words = ["--name", "mine", "--mpp", "0.5", "--marker", "ER", "--out", str(tmp_path / "mine")]
    assert run(["models", "import", str(path), *words, "--reference-test-mode", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["card"]["reference_test_mode"] is True
