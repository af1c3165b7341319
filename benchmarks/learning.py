"""Whether the faster training step learns what the published one does; prints one JSON object.

ASP and MDCL train 200 steps on the same pairs: ours from three seeds, with the precision that the
trainer takes on this machine unless another is given, and the published way (`published.py`,
float32) from the start and the batches of each of them. The figure is the grey difference of
held-out pairs, in grey levels.

within           whether, for each method and seed, ours differs from the published way from the
                 same start by no more than the three seeds of ours differ among themselves
methods          the figures by method and seed: untrained, of either way, and of the published way
                 from a start whose weights differ by a millionth (`nudged`), which tells how much
                 of a difference is what rounding grows to in 200 steps

The networks are the paper's in kind (6 blocks, spectral norm, instance norm), narrow enough for two
CPU cores; the published code takes batches of one, and so does this.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from published import PublishedStep

from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.mdcl import Mdcl
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.training.loop import Trainer
from napari_virtual_ihc.training.sampling import Sampler
from napari_virtual_ihc.training.settings import TrainingSettings
from napari_virtual_ihc.training.validation import HeldOut, Validation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

STEPS = 200
SEEDS = (0, 1, 2)
NUDGE = 1e-6
SIZE = ["ngf=16", "ndf=16", "n_layers_d=3", "crop_size=64", "batch_size=1", "netf_width=64"]


def settings_of(kind: type[Asp], words: argparse.Namespace, seed: int) -> TrainingSettings:
    recipe = kind.presets["paper"].with_settings([*SIZE, "num_patches=64"])
    return TrainingSettings.given(
        {
            "method": kind.name,
            "preset": "paper",
            "recipe": recipe.model_dump(mode="json"),
            "data": words.data.absolute(),
            "mpp": words.mpp,
            "marker": words.marker,
            "steps": words.steps,
            "seed": seed,
            "precision": words.precision,
        }
    )


def grey(trainer: Trainer, weights: Mapping[str, Tensor]) -> float:
    """Return the figure of a generator's weights on the held-out pairs."""
    settings = trainer.settings
    held = HeldOut.of(trainer.data, None, trainer.mpp, settings.validation_pairs)
    judge = Validation(trainer.method, settings, held, trainer.fabric.device)
    return float(judge.judge(weights).told["grey"]["mean"])


def ours(trainer: Trainer) -> float:
    trainer.train()
    return grey(trainer, trainer.state.artifact())


def published(trainer: Trainer, kind: type[Asp], nudge: float = 0.0) -> float:
    """Train the published way from the start of ``trainer``, or one close by, on its batches."""
    settings = trainer.settings
    torch.manual_seed(settings.seed)
    step = PublishedStep(kind.build(trainer.recipe, settings.seed))
    with torch.no_grad():
        for weights in step.generator.parameters():
            weights.mul_(1 + nudge)
    batches = Sampler(trainer.data, trainer.recipe, settings.seed, trainer.steps).batches(0)
    for batch in batches:
        step(batch.he, batch.ihc, batch.epoch)
    return grey(trainer, step.generator.state_dict())


def row(kind: type[Asp], words: argparse.Namespace, seed: int, work: Path) -> dict[str, float]:
    settings = settings_of(kind, words, seed)
    facts = {"kind": "train", "settings": settings.model_dump(mode="json")}
    run = RunFolder.create(work / f"{kind.name}-{seed}", facts, "train")
    trainer = Trainer(run, settings)
    found = {"seed": seed, "untrained": grey(trainer, trainer.state.artifact())}
    found |= {"published": published(trainer, kind), "nudged": published(trainer, kind, NUDGE)}
    found |= {"ours": ours(trainer)}
    print(kind.name, found, file=sys.stderr)
    return found


def within(rows: list[dict[str, float]]) -> bool:
    spread = max(r["ours"] for r in rows) - min(r["ours"] for r in rows)
    return all(abs(r["ours"] - r["published"]) <= spread for r in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--data", type=Path, required=True, help="folder of pairs")
    parser.add_argument("--mpp", type=float, required=True, help="their scale, µm/px")
    parser.add_argument("--marker", default="unknown", help="what their IHC shows")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--precision", default="auto", help="of ours; the published is float32")
    words = parser.parse_args()
    methods: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        for kind in (Asp, Mdcl):
            methods[kind.name] = [row(kind, words, seed, Path(work)) for seed in SEEDS]
    result = {
        **stamp("virtual-ihc/benchmark/1", "benchmarks/learning.py"),
        "within": all(within(rows) for rows in methods.values()),
        "methods": methods,
        "steps": words.steps,
        "precision": words.precision,
    }
    print(json.dumps(result) if words.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
