"""The switches of a method as the Train page edits them."""

from __future__ import annotations

from typing import Any

import pytest

from napari_virtual_ihc.errors import UsageError
from napari_virtual_ihc.widgets.train.fields import (
    COMMON,
    OWN,
    SHARED,
    FieldSheet,
    MethodSheet,
    as_settings,
    as_text,
    differences,
    from_text,
    read_catalogue,
    values,
)


@pytest.fixture(scope="module")
def catalogue() -> dict[str, MethodSheet]:
    return read_catalogue(None)


@pytest.fixture
def asp(catalogue: dict[str, MethodSheet]) -> MethodSheet:
    return catalogue["asp"]


def _field(sheet: MethodSheet, name: str) -> FieldSheet:
    return next(field for field in sheet.fields if field.name == name)


def test_methods_that_serve_others_come_last(catalogue: dict[str, MethodSheet]) -> None:
    served = [sheet.artifact != "generator" for sheet in catalogue.values()]
    assert served == sorted(served)
    assert any(served)


def test_every_field_has_a_kind_and_a_description(catalogue: dict[str, MethodSheet]) -> None:
    for sheet in catalogue.values():
        names = [field.name for field in sheet.fields]
        assert sorted(names) == sorted(values(sheet.presets["paper"]))
        assert all(field.description for field in sheet.fields)


def test_fields_are_grouped_own_first_and_groups_last(asp: MethodSheet) -> None:
    groups = asp.groups()
    assert list(groups) == [OWN, SHARED, COMMON, "Augmentation", "Magnification"]
    assert "lambda_gp" in [field.name for field in groups[OWN]]
    assert "lr" in [field.name for field in groups[COMMON]]


def test_kinds_and_bounds_are_the_recipes(asp: MethodSheet) -> None:
    crop, gamma = _field(asp, "crop_size"), _field(asp, "lambda_gp")
    assert (crop.kind, crop.least, crop.every) == ("whole", 8, 4)
    assert (gamma.kind, gamma.least, gamma.label) == ("number", 0, "λ gp")
    assert _field(asp, "lr").above
    assert _field(asp, "augmentation.flip").kind == "switch"
    assert _field(asp, "gp_norm").choices == ("l1", "l2")
    assert _field(asp, "clip_norm").optional
    assert _field(asp, "magnification.enlarger").kind == "path"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lambda_gp", "0,5", 0.5),
        ("nce_layers", "0, 4; 8", [0, 4, 8]),
        ("clip_norm", " ", None),
        ("load_size", "286", 286),
        ("lambda_gp", "much", "much"),
        ("magnification.enlarger", "/a,b", "/a,b"),
    ],
)
def test_what_is_typed_becomes_a_value(
    asp: MethodSheet, name: str, text: str, value: object
) -> None:
    assert from_text(_field(asp, name), text) == value


@pytest.mark.parametrize("value", [None, 0.0002, 512, [0, 4, 8], [0.25, 1.0]])
def test_what_is_shown_reads_back_as_the_same_value(asp: MethodSheet, value: Any) -> None:
    kind = "list" if isinstance(value, list) else "number"
    field = FieldSheet("field", OWN, "", kind, optional=True)
    assert from_text(field, as_text(value)) == value


def test_switches_make_the_recipe_that_the_command_line_would(asp: MethodSheet) -> None:
    switches = {"gp_norm": "l2", "augmentation.turn": True, "nce_layers": [0, 4], "clip_norm": 1.0}
    recipe = asp.recipe("smoke", switches)
    assert recipe == asp.presets["smoke"].with_settings(as_settings(switches))
    assert differences(values(asp.presets["smoke"]), values(recipe)).keys() == {
        "gp_norm", "nce_layers", "clip_norm",
    }  # fmt: skip


def test_a_wrong_switch_is_named(asp: MethodSheet) -> None:
    with pytest.raises(UsageError, match="'lambda_gp'"):
        asp.recipe("paper", {"lambda_gp": -1})


def test_a_row_of_the_table_sets_what_it_changes(catalogue: dict[str, MethodSheet]) -> None:
    assert catalogue["asp"].ablated("paper", "w/o GP") == {"lambda_gp": 0.0}
    for sheet in catalogue.values():
        for row in sheet.ablations:
            sheet.recipe("paper", sheet.ablated("paper", row))
