"""``virtual-ihc models``: list the models at hand, look into one, bring one's own checkpoint."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (typer evaluates annotations)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit

if TYPE_CHECKING:
    from napari_virtual_ihc.models.card import ModelCard
    from napari_virtual_ihc.models.library import ModelEntry

app = typer.Typer(help="Models at hand, and import of checkpoints.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the bundled models and those of the library folders, damaged ones with the reason."""
    from napari_virtual_ihc.models.library import Library
    from napari_virtual_ihc.provenance import stamp

    entries = Library().list()
    if as_json:
        models = [_summary(entry) for entry in entries]
        emit(stamp("virtual-ihc/models/1", "models list") | {"models": models}, as_json)
    else:
        width = max(len(entry.name) for entry in entries)
        for entry in entries:
            print(f"{entry.name:<{width}}  {_line(entry)}")


@app.command()
def inspect(
    name: Annotated[str, typer.Argument(help="Name in the library, or path of a model folder.")],
    as_json: AsJson = False,
) -> None:
    """Verify a model and show its card."""
    from napari_virtual_ihc.models.library import Library

    model = Library().get(name)
    facts = {
        "folder": str(model.folder),
        "parameters": sum(tensor.numel() for tensor in model.state.values()),
    }
    _emit_with_card("virtual-ihc/model-inspection/1", "models inspect", facts, model.card, as_json)


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE.pth", help="A generator's checkpoint.")],
    name: Annotated[str, typer.Option(help="Name of the model in the library.")],
    mpp: Annotated[float, typer.Option(help="µm/px of the H&E it was trained on.")],
    marker: Annotated[str, typer.Option(help="Marker it paints, such as HER2.")],
    tissue: Annotated[str, typer.Option(help="Tissue it was trained on.")] = "unknown",
    licence: Annotated[str, typer.Option(help="Terms the weights may be used under.")] = "unknown",
    mpp_out: Annotated[float | None, typer.Option(help="µm/px of its output, if other.")] = None,
    reference_test_mode: Annotated[
        bool,
        typer.Option(
            "--reference-test-mode",
            help="Run as pix2pix codes test: BatchNorm by block, dropout active.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Model folder to write.")] = None,
    library: Annotated[Path | None, typer.Option(help="Library folder to write into.")] = None,
    as_json: AsJson = False,
) -> None:
    """Import a generator trained by the published code of a GAN method; `methods` lists them."""
    from napari_virtual_ihc.errors import UsageError
    from napari_virtual_ihc.models.card import read_card
    from napari_virtual_ihc.models.importing import ImportFacts, import_checkpoint
    from napari_virtual_ihc.models.library import folder_for

    if out is not None and library is not None:
        raise UsageError("Give --out or --library, not both.")
    facts = ImportFacts(name, mpp, marker, tissue, licence, mpp_out, reference_test_mode)
    folder = out or folder_for(name, library)
    import_checkpoint(file, facts, folder)
    card = read_card(folder)
    place = {"folder": str(folder)}
    _emit_with_card("virtual-ihc/model-import/1", "models import", place, card, as_json)


@app.command("join")
def join_models(
    score: Annotated[str, typer.Argument(help="Trained miu-diff: name or model folder.")],
    name: Annotated[str, typer.Option(help="Name of the model in the library.")],
    estimator: Annotated[
        str, typer.Option(help="Trained miu-diff-estimator; without one nothing guides.")
    ] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of its sampler; repeatable.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Keep weights in half precision.")] = False,
    out: Annotated[Path | None, typer.Option(help="Model folder to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a diffusion model that translates slides of MIU-Diff's two trainings."""
    from napari_virtual_ihc.methods.miu_diff_model import join
    from napari_virtual_ihc.methods.recipe import values_of
    from napari_virtual_ihc.models.library import Library, folder_for

    folder = out or folder_for(name)
    library = Library()
    guide = library.get(estimator) if estimator else None
    fields = values_of(settings or [])
    card = join(library.get(score), guide, folder, name=name, sampler=fields, half=half)
    place = {"folder": str(folder)}
    _emit_with_card("virtual-ihc/model-join/1", "models join", place, card, as_json)


def _emit_with_card(
    schema: str, command: str, facts: dict[str, Any], card: ModelCard, as_json: bool
) -> None:
    from napari_virtual_ihc.provenance import stamp

    fields = card.model_dump(mode="json")
    emit(stamp(schema, command) | facts | {"card": fields} if as_json else facts | fields, as_json)


def _line(entry: ModelEntry) -> str:
    card = entry.card
    if card is None:
        return f"cannot be used: {entry.error}"
    return f"{card.marker}, {card.tissue}, {card.mpp_in:g} µm/px, {card.method}, {card.licence}"


def _summary(entry: ModelEntry) -> dict[str, Any]:
    if entry.card is None:
        return {"name": entry.name, "folder": str(entry.folder), "error": entry.error}
    card = entry.card
    return {
        "name": entry.name,
        "folder": str(entry.folder),
        "marker": card.marker,
        "tissue": card.tissue,
        "mpp_in": card.mpp_in,
        "mpp_out": card.mpp_out,
        "method": card.method,
        "tiling": card.tiling,
        "licence": card.licence,
    }
