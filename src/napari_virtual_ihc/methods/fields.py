"""The switches of a method as rows: dotted name, description, value in each preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_virtual_ihc.methods.base import Method


def fields_of(kind: type[Method]) -> list[dict[str, Any]]:
    """Return name, description and ``presets`` (preset → JSON value) of each recipe field.

    Fields of groups have dotted names, as ``--set`` takes them.
    """
    presets = {name: recipe.model_dump(mode="json") for name, recipe in kind.presets.items()}
    return [
        {
            "name": ".".join(path),
            "description": description,
            "presets": {name: _at(content, path) for name, content in presets.items()},
        }
        for path, description in _walk(kind.recipe_type, ())
    ]


def _walk(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, (*above, name))
        else:
            yield (*above, name), field.description or ""


def _at(content: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = content
    for name in path:
        value = value[name]
    return value
