from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_virtual_ihc.errors import ModelError, UsageError
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.models.library import BUNDLED, Library, bundled_folder, folder_for
from napari_virtual_ihc.settings import Settings, save_settings

if TYPE_CHECKING:
    from pathlib import Path


def test_models_are_listed_after_the_bundled_ones(folder: Path) -> None:
    entries = Library([folder.parent]).list()
    assert [entry.name for entry in entries] == [*BUNDLED, "small"]
    assert entries[-1].card is not None
    assert entries[-1].card.marker == "HER2"
    assert Library([folder.parent]).get("small").folder == folder


def test_damaged_models_are_listed_with_the_reason(folder: Path) -> None:
    broken, cut, empty = (folder.with_name(n) for n in ("broken", "cut", "empty"))
    shutil.copytree(folder, broken)
    card = json.loads((broken / "model.json").read_text())
    del card["mpp_in"]
    (broken / "model.json").write_text(json.dumps(card))
    shutil.copytree(folder, cut)
    (cut / "weights.safetensors").write_bytes(b"\x08")
    empty.mkdir()
    errors = {entry.name: entry.error or "" for entry in Library([folder.parent]).list()}
    assert "mpp_in" in errors["broken"]
    assert "weights.safetensors" in errors["cut"]
    assert "model.json" in errors["empty"]
    assert errors["small"] == ""


def test_equal_names_are_told(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other" / "small")
    shutil.copytree(folder, tmp_path / "other" / "demo")
    entries = Library([folder.parent, tmp_path / "other"]).list()
    hidden = [entry.folder for entry in entries if "hidden" in (entry.error or "")]
    assert hidden == [tmp_path / "other" / "demo", tmp_path / "other" / "small"]


def test_a_model_folder_can_be_named_by_its_path(folder: Path) -> None:
    assert Library([]).get(str(folder)).card.name == "small"


def test_an_unknown_name_says_what_there_is(folder: Path) -> None:
    with pytest.raises(ModelError, match="demo, demo-mdcl, demo-miu-diff, small"):
        Library([folder.parent, folder.parent / "absent"]).get("large")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_is_whole_and_honest(name: str) -> None:
    model = Library([]).get(name)
    assert model.card.validation
    assert any("synthetic" in note for note in model.card.notes)
    assert (bundled_folder(name) / "weights.safetensors").stat().st_size < 15e6


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "demo", "demo-miu-diff"])
def test_a_name_that_is_no_folder_s_or_a_bundled_one_s_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        folder_for(name)


def test_a_run_folder_stands_for_its_model(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run" / "model")
    assert Library([]).get(str(tmp_path / "run")).card.name == load_model(folder).card.name


def test_listing_needs_no_torch() -> None:
    code = "import sys; from napari_virtual_ihc.models.library import Library; Library([]).list()"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)


def test_the_configured_library_is_used(private_home: Path, folder: Path) -> None:
    shutil.copytree(folder, private_home / "models" / "small")
    assert [entry.name for entry in Library().list()] == [*BUNDLED, "small"]
    assert bundled_folder().parts[-3:] == ("resources", "models", "demo")


def test_a_finished_run_is_a_model_under_the_runs_name(
    private_home: Path, folder: Path, tmp_path: Path
) -> None:
    library = Library()
    shutil.copytree(folder, private_home / "runs" / "asp-HER2" / "model")
    (private_home / "runs" / "unfinished" / "checkpoints").mkdir(parents=True)
    assert [entry.name for entry in library.list()] == [*BUNDLED, "asp-HER2"]
    assert library.get("asp-HER2").folder == private_home / "runs" / "asp-HER2" / "model"
    shutil.copytree(folder, tmp_path / "elsewhere" / "model")
    save_settings(Settings(other_runs=(tmp_path / "elsewhere",)))
    assert [entry.name for entry in library.list()] == [*BUNDLED, "asp-HER2", "elsewhere"]
