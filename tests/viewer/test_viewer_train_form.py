"""The form of a new training, without a window."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_virtual_ihc.cli.app import build_app
from napari_virtual_ihc.errors import UsageError, VirtualIhcError
from napari_virtual_ihc.methods.recipe import Recipe
from napari_virtual_ihc.training.findings import Finding
from napari_virtual_ihc.widgets.train.checks import check_data, findings_html
from napari_virtual_ihc.widgets.train.form import (
    CheckWish,
    TrainForm,
    check_wish,
    command,
    form_file,
    lacking,
    load_form,
    run_folder,
    save_form,
)
from napari_virtual_ihc.widgets.train.model import DataCheck


def _complete() -> TrainForm:
    return TrainForm(data="/pairs", mpp="0,25", marker="HER2")


def test_the_scale_is_asked_for_and_never_guessed() -> None:
    form = TrainForm(data="/pairs", marker="HER2")
    assert "µm per pixel" in lacking(form)
    assert check_wish(form, Recipe()) is None
    form.mpp = "many"
    assert "µm per pixel" in lacking(form)
    form.mpp = "0,25"
    assert lacking(form) == ""


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("data", "", "Choose the folder"),
        ("marker", " ", "what the IHC shows"),
        ("steps", "0", "“0” cannot be the steps"),
        ("steps", "2.5", "“2.5” cannot be the steps"),
        ("seed", "", "cannot be the seed"),
    ],
)
def test_what_is_lacking_is_one_sentence(field: str, value: str, sentence: str) -> None:
    form = _complete()
    setattr(form, field, value)
    assert sentence in lacking(form)
    with pytest.raises(UsageError, match=sentence):
        command(form, Path("/runs/a"))


def test_the_check_depends_on_what_the_training_will_cut() -> None:
    form = _complete()
    assert check_wish(form, Recipe(crop_size=256)) == ("/pairs", 0.25, "HER2", 256)
    assert check_wish(form, Recipe(load_size=286)) == ("/pairs", 0.25, "HER2", 1)


def test_a_run_gets_a_speaking_name_that_is_not_taken(tmp_path: Path) -> None:
    form = _complete()
    form.marker = "Ki 67/x"
    assert run_folder(form, tmp_path) == tmp_path / "asp-Ki-67-x"
    (tmp_path / "asp-Ki-67-x").mkdir()
    assert run_folder(form, tmp_path) == tmp_path / "asp-Ki-67-x-2"
    form.out = "mine"
    assert run_folder(form, tmp_path) == tmp_path / "mine"
    form.out = "/elsewhere/mine"
    assert run_folder(form, tmp_path) == Path("/elsewhere/mine")


def test_the_command_line_understands_every_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: dict[str, object] = {}
    monkeypatch.setattr(
        "napari_virtual_ihc.cli.train._train",
        lambda run, settings, *_: heard.update(settings.model_dump()),
    )
    form = _complete()
    form.switches = {"gp_norm": "l2", "augmentation.turn": True, "nce_layers": [0, 4]}
    form.steps, form.registered, form.priority = "7", True, "viewer"
    form.precision, form.finish_with, form.tissue = "32-true", "best", "breast"
    result = CliRunner().invoke(build_app(), command(form, tmp_path / "run"))
    assert result.exit_code == 0, result.output
    expected = {
        "data": Path("/pairs"), "mpp": 0.25, "marker": "HER2", "steps": 7, "registered": True,
        "gpu_priority": "viewer", "precision": "32-true", "finish_with": "best", "tissue": "breast",
    }  # fmt: skip
    assert expected.items() <= heard.items()
    recipe = heard["recipe"]
    assert isinstance(recipe, dict)
    assert (recipe["gp_norm"], recipe["augmentation"]["turn"]) == ("l2", True)
    assert recipe["nce_layers"] == [0, 4]


def test_the_form_survives_a_restart() -> None:
    assert load_form() == TrainForm()
    form = _complete()
    form.switches = {"gp_weights": [1.0, 0.5]}
    save_form(form)
    assert load_form() == form


def test_a_damaged_form_is_told() -> None:
    save_form(TrainForm())
    form_file().write_text("{")
    with pytest.raises(VirtualIhcError, match=r"train-form\.json"):
        load_form()


def test_findings_are_listed_by_kind_with_what_happens() -> None:
    wish = CheckWish("/pairs", 0.25, "HER2", 512)
    findings = (
        Finding("blank", "a", "a.png shows <nothing>."),
        Finding("split", "validation", "Names do not tell slides.", kept=True),
    )
    html = findings_html(DataCheck(wish, findings=findings))
    assert "blank, left out (1)" in html
    assert "split, kept (1)" in html
    assert "a.png shows &lt;nothing&gt;." in html


def test_a_check_that_fails_is_one_sentence(tmp_path: Path) -> None:
    wish = CheckWish(str(tmp_path / "absent"), 0.25, "HER2", 512)
    check = check_data(wish, lambda *_: None)
    assert "absent" in check.error
    assert not check.findings
