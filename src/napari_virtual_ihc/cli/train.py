"""``virtual-ihc train``, ``resume`` and ``runs``: training from folders of pairs."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit, progress, say

if TYPE_CHECKING:
    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.training.data import PairFolder
    from napari_virtual_ihc.training.settings import TrainingSettings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_SHOWN_FINDINGS = 10


def train(
    data: Annotated[Path, typer.Option(help="Folder of H&E and IHC pairs.")],
    mpp: Annotated[float, typer.Option(help="Scale of the pictures, µm/px.")],
    out: Annotated[Path, typer.Option(help="New run folder.")],
    method: Annotated[str, typer.Option(help="Method, such as asp or cut.")] = "asp",
    preset: Annotated[str, typer.Option(help="Preset of the method.")] = "paper",
    marker: Annotated[str, typer.Option(help="What the IHC shows.")] = "unknown",
    tissue: Annotated[str, typer.Option(help="Organ or kind of tissue.")] = "unknown",
    licence: Annotated[str, typer.Option(help="Terms of the finished model.")] = "unknown",
    note: Annotated[list[str] | None, typer.Option(help="Sentence for the model card.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps instead of epochs.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="Run whose last weights to start from.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and sampling.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the recipe; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on folders of pairs; the run folder holds all that comes of it."""
    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.methods.registry import method_named
    from napari_virtual_ihc.methods.registry import preset as preset_named
    from napari_virtual_ihc.training.settings import TrainingSettings

    recipe = preset_named(method_named(method), preset).with_settings(set_ or [])
    settings = TrainingSettings(
        method=method,
        preset=preset,
        recipe=recipe.model_dump(mode="json"),
        data=data.absolute(),
        mpp=mpp,
        marker=marker,
        tissue=tissue,
        licence=licence,
        notes=tuple(note or ()),
        steps=steps,
        start=start.absolute() if start else None,
        seed=seed,
        device=device,
    )
    facts = {"kind": "train", "settings": settings.model_dump(mode="json")}
    run = RunFolder.create(out, facts, "train")
    _train(run, settings, as_json)


def resume(
    run: Annotated[Path, typer.Argument(help="Run folder of a stopped or lost training.")],
    as_json: AsJson = False,
) -> None:
    """Go on with a training where its last checkpoint stands."""
    from napari_virtual_ihc.errors import UsageError
    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.training.settings import TrainingSettings

    folder = RunFolder.open(run)
    if folder.state() == "finished":
        raise UsageError(f"{run} is finished; there is nothing to resume.")
    folder.set_wish("run")
    _train(folder, TrainingSettings.read(folder.facts(), folder.facts_file), as_json)


def runs(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of runs; the settings' where not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List trainings and their state."""
    from napari_virtual_ihc.jobs import job as jobs
    from napari_virtual_ihc.settings import load_settings

    found = [_summary(job.run) for job in jobs.find(folder or load_settings().runs_dir)]
    if as_json:
        emit({"runs": found}, True)
        return
    for entry in found:
        emit(entry, False)
    if not found:
        say("No runs.")


def _train(run: RunFolder, settings: TrainingSettings, as_json: bool) -> None:
    from napari_virtual_ihc.training.loop import Trainer

    trainer = Trainer(run, settings)
    _tell(trainer.data)
    with progress(f"{settings.method} → {run.path.name}") as report:
        outcome = trainer.train(report)
    emit(_summary(run) | {"outcome": outcome}, as_json)


def _tell(data: PairFolder) -> None:
    say(
        f"{data.layout}: {len(data.train)} pairs to train on, "
        f"{len(data.validation)} held out, {len(data.findings)} findings."
    )
    for finding in data.findings[:_SHOWN_FINDINGS]:
        say(f"  {finding.kind}: {finding.message}")


def _summary(run: RunFolder) -> dict[str, Any]:
    last = run.last("losses")
    figures = run.last("validation")
    return {
        "run": str(run.path),
        "state": run.state(),
        "step": last["step"] + 1 if last else 0,
        "losses": last["losses"] if last else {},
        "validation": figures["dab"] if figures else None,
        "model": str(run.model_dir) if run.model_dir.is_dir() else None,
    }
