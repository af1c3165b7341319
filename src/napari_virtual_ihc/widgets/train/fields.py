"""The switches of every method as plain sheets: names, kinds, limits, presets, ablation rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from inspect import get_annotations
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from napari_virtual_ihc.methods.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

    from napari_virtual_ihc.methods.base import Artifact, Method

Kind = Literal["switch", "choice", "whole", "number", "path", "list"]
OWN, SHARED, COMMON = "This method's own", "Networks and losses", "Training"
_PLAIN: dict[Any, Kind] = {bool: "switch", int: "whole", float: "number", Path: "path"}


@dataclass(frozen=True)
class FieldSheet:
    """One recipe field, as an editor needs it.

    Attributes
    ----------
    name
        As ``--set`` takes it, dotted within groups.
    group
        Heading under which it is shown.
    description
        What it does.
    kind
        What its values are; numbers and lists may be optional.
    choices
        JSON values of a ``choice``.
    optional
        Whether there may be no value.
    least, most
        Bounds of a number, None where there is none.
    above, below
        Whether the bound itself is left out.
    every
        What a whole number is a multiple of.
    """

    name: str
    group: str
    description: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    optional: bool = False
    least: float | None = None
    most: float | None = None
    above: bool = False
    below: bool = False
    every: int = 1

    @property
    def label(self) -> str:
        """Name to show: without its group, λ for ``lambda``."""
        words = self.name.rsplit(".", 1)[-1].split("_")
        return " ".join("λ" if word == "lambda" else word for word in words)


@dataclass(frozen=True)
class MethodSheet:
    """A method that can be trained.

    Attributes
    ----------
    name, title, fidelity, artifact
        As its class says.
    recipe_type, presets, ablations
        As its class says.
    fields
        Its switches in the order of their groups.
    """

    name: str
    title: str
    fidelity: str
    artifact: Artifact
    recipe_type: type[Recipe]
    presets: Mapping[str, Recipe]
    ablations: Mapping[str, tuple[str, ...]]
    fields: tuple[FieldSheet, ...]

    @classmethod
    def of(cls, kind: type[Method]) -> MethodSheet:
        """Describe a method."""
        return cls(
            kind.name,
            kind.title,
            kind.fidelity,
            kind.artifact,
            kind.recipe_type,
            kind.presets,
            kind.ablations,
            fields_of(kind.recipe_type),
        )

    def recipe(self, preset: str, switches: Mapping[str, Any]) -> Recipe:
        """Return the recipe of a preset with some switches set.

        Raises
        ------
        UsageError
            If a value is not allowed; the sentence names the field.
        """
        return self.presets[preset].with_settings(as_settings(switches))

    def value(self, preset: str, name: str) -> Any:
        """Return the JSON value of a field in a preset."""
        return values(self.presets[preset])[name]

    def ablated(self, preset: str, row: str) -> dict[str, Any]:
        """Return the switches that a row of the paper's ablation table changes in a preset."""
        changed = self.presets[preset].with_settings(self.ablations[row])
        return differences(values(self.presets[preset]), values(changed))

    def groups(self) -> dict[str, list[FieldSheet]]:
        """Return the fields by heading."""
        found: dict[str, list[FieldSheet]] = {}
        for field in self.fields:
            found.setdefault(field.group, []).append(field)
        return found


def read_catalogue(_progress: object) -> dict[str, MethodSheet]:
    """Return all installed methods by name: ours in their order, auxiliaries last."""
    from napari_virtual_ihc.methods.registry import methods

    sheets = [MethodSheet.of(kind) for kind in methods().values()]
    sheets.sort(key=lambda sheet: sheet.artifact != "generator")
    return {sheet.name: sheet for sheet in sheets}


def fields_of(recipe: type[Recipe]) -> tuple[FieldSheet, ...]:
    """Return the fields of a recipe: its own, those it shares, those of all, then its groups."""
    own = set(get_annotations(recipe))
    sheets = list(_walk(recipe, own))
    order = [OWN, SHARED, COMMON, *(sheet.group for sheet in sheets)]
    return tuple(sorted(sheets, key=lambda sheet: order.index(sheet.group)))


def _walk(recipe: type[Recipe], own: set[str]) -> Iterator[FieldSheet]:
    for name, info in recipe.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for inner, inner_info in kind.model_fields.items():
                yield _sheet(f"{name}.{inner}", name.capitalize(), inner_info)
        else:
            yield _sheet(name, _heading(name, own), info)


def _heading(name: str, own: set[str]) -> str:
    if name in Recipe.model_fields:
        return COMMON
    return OWN if name in own else SHARED


def _sheet(name: str, group: str, info: FieldInfo) -> FieldSheet:
    parts = get_args(info.annotation)
    optional = NoneType in parts
    kind = next(part for part in parts if part is not NoneType) if optional else info.annotation
    bounds = {key: _bound(info, key) for key in ("ge", "gt", "le", "lt", "multiple_of")}
    return FieldSheet(
        name,
        group,
        info.description or "",
        _kind(kind),
        get_args(kind) if get_origin(kind) is Literal else (),
        optional,
        bounds["ge"] if bounds["gt"] is None else bounds["gt"],
        bounds["le"] if bounds["lt"] is None else bounds["lt"],
        bounds["gt"] is not None,
        bounds["lt"] is not None,
        int(bounds["multiple_of"] or 1),
    )


def _kind(annotation: Any) -> Kind:
    return "choice" if get_origin(annotation) is Literal else _PLAIN.get(annotation, "list")


def _bound(info: FieldInfo, key: str) -> float | None:
    found = [getattr(item, key) for item in info.metadata if hasattr(item, key)]
    return found[-1] if found else None


def values(recipe: Recipe) -> dict[str, Any]:
    """Return the JSON values of a recipe by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in recipe.model_dump(mode="json").items():
        inner = value if isinstance(value, dict) else None
        flat |= {name: value} if inner is None else {f"{name}.{k}": v for k, v in inner.items()}
    return flat


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs in ``after``."""
    return {name: value for name, value in after.items() if before.get(name) != value}


def as_settings(switches: Mapping[str, Any]) -> list[str]:
    """Return switches as the words of ``--set``."""
    return [f"{name}={json.dumps(value)}" for name, value in switches.items()]


def as_text(value: Any) -> str:
    """Return a value as it is shown and typed; no value is nothing."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def from_text(field: FieldSheet, text: str) -> Any:
    """Return the JSON value that was typed for a field; what is no number stays text."""
    if not text.strip() and field.optional:
        return None
    if field.kind == "list":
        return [_number(word) for word in _words(text)]
    if field.kind == "path":
        return text.strip()
    return _number(text.replace(",", "."))


def _words(text: str) -> Sequence[str]:
    plain = text.strip().strip("[]()").replace(";", ",")
    return [word for word in plain.split(",") if word.strip()]


def _number(text: str) -> Any:
    word = text.strip()
    try:
        return json.loads(word)
    except ValueError:
        return word
