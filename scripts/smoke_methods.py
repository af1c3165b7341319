"""Every method's smoke preset: killed half way, resumed, better than before, used on a slide.

Run as ``python scripts/smoke_methods.py WORK --slide SLIDE --data DIR --mpp 1.8 --marker HER2``
from a checkout. Each method of the registry trains on phantom pairs, written first, and on the
pairs of ``DIR``. A line of the table says how far, in grey levels, the virtual IHC of held-out
pairs is from the real one after training and before it, and how far the H&E itself is; methods
that train an auxiliary have a figure of their own.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from train_runs import START, environment, step_seconds

from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.measures.difference import GreyDifference
from napari_virtual_ihc.methods.recipe import read_recipe
from napari_virtual_ihc.methods.registry import method_named, methods
from napari_virtual_ihc.training.examination import validator_of
from napari_virtual_ihc.training.loop import open_data
from napari_virtual_ihc.training.scale import seen_mpp
from napari_virtual_ihc.training.settings import TrainingSettings
from napari_virtual_ihc.training.validation import HeldOut

PAIRS = 100
PAIR_PX = 192
CHECKPOINT_STEPS = 20
REGION = "0,0,300,300"
"""Part of the slide that is translated, µm."""


@dataclass(frozen=True)
class PairSet:
    """A folder of pairs, its scale in µm/px and its marker."""

    name: str
    folder: Path
    mpp: float
    marker: str

    def words(self) -> list[str]:
        """Return it as words of the command line."""
        scale = ["--mpp", str(self.mpp), "--marker", self.marker]
        return ["--data", str(self.folder), *scale, "--checkpoint-steps", str(CHECKPOINT_STEPS)]


def command(*words: str) -> subprocess.Popen[str]:
    """Start a command of the program."""
    return subprocess.Popen(
        [*START, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def said(child: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a finished command printed as JSON."""
    out, error = child.communicate()
    if child.returncode:
        raise SystemExit(error)
    found: dict[str, Any] = json.loads(out)
    return found


def steps_done(run: Path) -> tuple[int, int]:
    """Return the steps of a run that are done, and how many there will be."""
    folder = RunFolder(run)
    began, last = folder.last("started"), folder.last("losses")
    return (last["step"] + 1 if last else 0), (began["steps"] if began else 1 << 31)


def train_killed(method: str, pairs: PairSet, run: Path) -> int:
    """Train, kill -9 after half of the steps, resume to the end; return where it was killed."""
    words = ["--method", method, "--preset", "smoke", *pairs.words(), "--out", str(run)]
    child = command("train", *words, "--json")
    while child.poll() is None:
        done, steps = steps_done(run)
        if done >= steps // 2:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    if RunFolder(run).state() != "lost":
        raise SystemExit(f"{run} was not killed.")
    killed, _ = steps_done(run)
    said(command("resume", str(run), "--json"))
    return killed


def figures_before(run: Path) -> dict[str, float]:
    """Return the figures of the untrained method and of the H&E itself on the held-out pairs."""
    folder = RunFolder.open(run)
    settings = TrainingSettings.read(folder.facts(), folder.facts_file)
    kind = method_named(settings.method)
    recipe = read_recipe(kind.recipe_type, settings.recipe)
    data = open_data(settings, recipe)
    seen_at = recipe.final_load_size
    held = HeldOut.of(data, seen_at, seen_mpp(data, seen_at), settings.validation_pairs)
    method = kind.build(recipe, settings.seed)
    validator = validator_of(method, settings, held, torch.device("cpu"))
    verdict = validator.judge(method.generator().state_dict())
    itself = GreyDifference()
    for pair in held.pairs:
        itself.update(*held.read(pair))
    return {"untrained": figure_of(verdict.event()), "he_itself": itself.mean}


def figure_of(event: dict[str, Any]) -> float:
    """Return the grey difference of a validation, or an auxiliary's first figure."""
    found: float = event["grey"]["mean"] if "grey" in event else event["figures"][0]["value"]
    return found


def translated(model: Path, slide: Path, out: Path) -> dict[str, Any]:
    """Translate a region of the slide with the model; return what the command says of it."""
    words = [str(slide), str(out), "--model", str(model), "--region", REGION, "--json"]
    return said(command("translate", *words))


def row_of(method: str, pairs: PairSet, work: Path, slide: Path) -> dict[str, Any]:
    """Train, judge and use a method; what was once found is kept beside the run."""
    run = work / f"{pairs.name}-{method}"
    kept = run / "smoke.json"
    if not kept.exists():
        killed = train_killed(method, pairs, run)
        before = figures_before(run)
        validation = RunFolder.open(run).last("validation") or {}
        row = {"method": method, "pairs": pairs.name, "killed_at": killed}
        row |= {"steps": steps_done(run)[1], "seconds": round(step_seconds(run), 1)}
        row |= {"trained": figure_of(validation)} | before
        if method_named(method).artifact == "generator":
            made = translated(run / "model", slide, run / "slide.ome.zarr")
            row |= {"tiles": made["tiles"], "failed_tiles": made["failed_tiles"]}
        else:
            row |= {"figure": validation["figures"][0]["name"]}
            del row["he_itself"]
        kept.write_text(json.dumps(row))
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def main() -> None:
    """Do what is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder that keeps the runs")
    parser.add_argument("--slide", type=Path, required=True, help="H&E slide to translate")
    parser.add_argument("--data", type=Path, required=True, help="folder of real pairs")
    parser.add_argument("--mpp", type=float, required=True, help="their scale, µm/px")
    parser.add_argument("--marker", required=True, help="what their IHC shows")
    parser.add_argument("--methods", nargs="*", default=list(methods()), help="these only")
    given = parser.parse_args()
    phantom = given.work / "pairs"
    if not phantom.exists():
        words = ["--pairs", str(PAIRS), "--pair-size", str(PAIR_PX), "--seed", "7", "--json"]
        said(command("phantom", str(phantom), *words))
    sets = [
        PairSet("phantom", phantom, 0.5, "Ki-67"),
        PairSet("real", given.data, given.mpp, given.marker),
    ]
    for method in given.methods:
        for pairs in sets:
            row = row_of(method, pairs, given.work, given.slide)
            plain = {n: round(v, 3) if isinstance(v, float) else v for n, v in row.items()}
            print(json.dumps(plain, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
