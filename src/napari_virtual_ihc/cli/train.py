"""``virtual-ihc train``, ``resume`` and ``runs``: training from folders of pairs.

Several processes, one for each GPU, on one machine or more::

    torchrun --nproc-per-node 2 -m napari_virtual_ihc.cli train --data … --mpp … --out …
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_virtual_ihc.cli.output import emit, progress, say

if TYPE_CHECKING:
    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.training.data import PairFolder
    from napari_virtual_ihc.training.settings import TrainingSettings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_PRECISION = "Of passes through networks: auto, 32-true, bf16-mixed or 16-mixed (CUDA)."
_PRIORITY = "Who goes first where a window uses the same device: training or viewer."
_FINISH = "Which weights become the model: last, or best by validation."
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
    precision: Annotated[str, typer.Option(help=_PRECISION)] = "auto",
    gpu_priority: Annotated[str, typer.Option(help=_PRIORITY)] = "training",
    finish_with: Annotated[str, typer.Option(help=_FINISH)] = "last",
    checkpoint_steps: Annotated[
        int, typer.Option(min=1, help="Steps between checkpoints; also one every five minutes.")
    ] = 1000,
    registered: Annotated[
        bool, typer.Option("--registered", help="The IHC was registered onto the H&E.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="field=value of the recipe; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on folders of pairs; the run folder holds all that comes of it."""
    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.methods.registry import method_named
    from napari_virtual_ihc.methods.registry import preset as preset_named
    from napari_virtual_ihc.training.precision import make_fabric
    from napari_virtual_ihc.training.settings import TrainingSettings
    from napari_virtual_ihc.training.world import Place

    recipe = preset_named(method_named(method), preset).with_settings(set_ or [])
    settings = TrainingSettings.given(
        {
            "method": method,
            "preset": preset,
            "recipe": recipe.model_dump(mode="json"),
            "data": data.absolute(),
            "mpp": mpp,
            "marker": marker,
            "tissue": tissue,
            "licence": licence,
            "notes": tuple(note or ()),
            "steps": steps,
            "start": start.absolute() if start else None,
            "registered": registered,
            "seed": seed,
            "device": device,
            "precision": precision,
            "gpu_priority": gpu_priority,
            "finish_with": finish_with,
            "checkpoint_steps": checkpoint_steps,
        }
    )
    _quieten()
    make_fabric(settings.device, settings.precision, Place.here())
    facts = {"kind": "train", "settings": settings.model_dump(mode="json")}
    run = RunFolder.create(out, facts, "train") if Place.here().first else RunFolder(out)
    _train(run, settings, "train", as_json)


def resume(
    run: Annotated[Path, typer.Argument(help="Run folder of a stopped or lost training.")],
    device: Annotated[str | None, typer.Option(help="Another device than before.")] = None,
    precision: Annotated[str | None, typer.Option(help=_PRECISION)] = None,
    gpu_priority: Annotated[str | None, typer.Option(help=_PRIORITY)] = None,
    finish_with: Annotated[str | None, typer.Option(help=_FINISH)] = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a training where its last checkpoint stands; what is not given stays."""
    from napari_virtual_ihc.errors import UsageError
    from napari_virtual_ihc.jobs.run_folder import RunFolder
    from napari_virtual_ihc.training.settings import TrainingSettings
    from napari_virtual_ihc.training.world import Place

    _quieten()
    folder = RunFolder.open(run)
    if folder.state() == "finished":
        raise UsageError(f"{run} is finished; there is nothing to resume.")
    if Place.here().first:
        folder.set_wish("run")
    settings = TrainingSettings.read(folder.facts(), folder.facts_file)
    given = {
        "device": device,
        "precision": precision,
        "gpu_priority": gpu_priority,
        "finish_with": finish_with,
    }
    changed = {name: word for name, word in given.items() if word is not None}
    _train(folder, settings.changed(changed), "resume", as_json)


def runs(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of runs; the settings' where not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List trainings, their state and the time left."""
    from napari_virtual_ihc.errors import UsageError
    from napari_virtual_ihc.jobs import job as jobs
    from napari_virtual_ihc.provenance import stamp

    if folder is not None and not folder.is_dir():
        raise UsageError(f"{folder} is no folder.")
    found = [_summary(job.run) for job in (jobs.find(folder) if folder else jobs.find_all())]
    if as_json:
        emit(stamp("virtual-ihc/runs/1", "runs") | {"runs": found}, True)
        return
    for entry in found:
        emit(_readable(entry), False)
    if not found:
        say("No runs.")


def _train(run: RunFolder, settings: TrainingSettings, command: str, as_json: bool) -> None:
    from napari_virtual_ihc.provenance import stamp
    from napari_virtual_ihc.training.loop import Trainer
    from napari_virtual_ihc.training.watch import Failure
    from napari_virtual_ihc.training.world import Place

    with Failure(run, Place.here()), progress("checking pairs") as report:
        trainer = Trainer(run, settings, report=report)
    if not trainer.world.place.first:
        trainer.train()
        return
    _tell(trainer.data)
    with progress(f"{settings.method} → {run.path.name}") as report:
        outcome = trainer.train(report)
    summary = _summary(run) | {"outcome": outcome}
    if as_json:
        emit(stamp("virtual-ihc/training/1", command) | summary, True)
    else:
        emit(_readable(summary), False)


def _quieten() -> None:
    """Let lightning-fabric tell warnings only; the run's events say which precision it took."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def _tell(data: PairFolder) -> None:
    say(
        f"{data.layout}: {len(data.train)} pairs to train on, "
        f"{len(data.validation)} held out, {len(data.findings)} findings."
    )
    for finding in data.findings[:_SHOWN_FINDINGS]:
        say(f"  {finding.kind}: {finding.message} ({finding.consequence})")


def _summary(run: RunFolder) -> dict[str, Any]:
    from napari_virtual_ihc.jobs.progress import progress_of

    last = run.last("losses")
    judged, best = run.last("validation"), run.last("best")
    progress = progress_of(run)
    return {
        "run": str(run.path),
        "state": run.state(),
        "step": progress.step,
        "steps": progress.steps,
        "seconds_left": progress.seconds_left,
        "losses": last["losses"] if last else {},
        "validation": judged.get("figures", []) if judged else [],
        "best_step": best["step"] if best else None,
        "model": str(run.model_dir) if run.model_dir.is_dir() else None,
    }


def _readable(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary for people: durations in words, what is not known left out."""
    figures = [f"{f['name']} {f['value']:.4g} ({f['protocol']})" for f in summary["validation"]]
    shown = summary | {"validation": figures}
    seconds = shown.pop("seconds_left")
    if seconds is not None:
        shown["time_left"] = str(timedelta(seconds=round(seconds)))
    return {name: value for name, value in shown.items() if value not in (None, [], {})}
