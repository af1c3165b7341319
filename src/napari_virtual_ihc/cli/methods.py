"""``virtual-ihc methods``: what can be trained, and every switch of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit

if TYPE_CHECKING:
    from napari_virtual_ihc.methods.base import Method


def methods(
    name: Annotated[str | None, typer.Argument(help="One method, with all its switches.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the methods that can be trained, or a method's presets, switches and ablation rows."""
    from napari_virtual_ihc.methods import registry
    from napari_virtual_ihc.methods.fields import fields_of
    from napari_virtual_ihc.provenance import stamp

    if name is None:
        known = [_facts(kind) for _, kind in sorted(registry.methods().items())]
        if as_json:
            emit(stamp("virtual-ihc/methods/1", "methods") | {"methods": known}, True)
        else:
            emit({entry["name"]: _line(entry) for entry in known}, False)
        return
    kind = registry.method_named(name)
    facts = _facts(kind) | {
        "fields": fields_of(kind),
        "ablations": {row: list(words) for row, words in kind.ablations.items()},
    }
    if as_json:
        emit(stamp("virtual-ihc/method/1", "methods") | facts, True)
    else:
        _print(facts)


def _facts(kind: type[Method]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "title": kind.title,
        "trains": kind.artifact,
        "written_from": kind.fidelity,
        "presets": list(kind.presets),
    }


def _line(entry: dict[str, Any]) -> str:
    what = "" if entry["trains"] == "generator" else f"; trains an {entry['trains']}"
    return f"{entry['title']}{what}; from {entry['written_from']}; {', '.join(entry['presets'])}"


def _print(facts: dict[str, Any]) -> None:
    head = ("name", "title", "trains", "written_from", "presets")
    emit({key: facts[key] for key in head}, False)
    print("\nSwitches (--set field=value), each with its value in every preset:\n")
    for field in facts["fields"]:
        values = "  ".join(f"{name} {json.dumps(v)}" for name, v in field["presets"].items())
        print(f"{field['name']}\n    {field['description']}\n    {values}")
    print("\nRows of the ablation table:\n" if facts["ablations"] else "")
    for row, words in facts["ablations"].items():
        print(f"{row}\n    {' '.join(f'--set {word}' for word in words)}")
