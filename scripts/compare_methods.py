"""All methods at one size in one table: trained on the same phantom pairs, judged on unseen ones.

Run as ``python scripts/compare_methods.py WORK --pairs DIR`` from a checkout; pairs and truth are
those of ``train_demo_model.py``. Networks, crops, batches and augmentation are the same for all
methods and fit two CPU cores; what is left of the paper's preset is the method itself. Runs
that are finished are not repeated, so that several calls can share the work.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from phantom_judge import MARKER, MPP, judge
from train_runs import settings_words, step_seconds, train_or_resume

from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.registry import method_named, methods
from napari_virtual_ihc.models.folder import load_model
from napari_virtual_ihc.slides.phantom.pair_truth import read_squares

STEPS = {"asp": 2400, "mdcl": 2400}
"""Steps of methods that learn the pattern later than others, in small networks."""
OTHER_STEPS = 1200
TASK_STEPS = 400
THREE_SEEDS = ("asp", "mdcl", "vsmt")
SIZE = {
    "load_size": "null",
    "crop_size": 96,
    "batch_size": 4,
    "lr": 1e-3,
    "ngf": 16,
    "ndf": 16,
    "n_blocks": 6,
    "n_layers_d": 3,
    "n_downs": 5,
    "norm": "batch",
    "spectral_norm": "false",
    "nce_layers": [0, 4, 8],
    "num_patches": 64,
    "netf_width": 64,
    "gp_norm": "l2",
    "gp_weights": [1, 1, 1, 1, 1, 1, 1],
    "ssim_weights": [0.3, 0.3, 0.4],
}
"""Fields of recipes, for all methods that have them."""
OWN: dict[str, dict[str, object]] = {
    "pix2pix": {"lr": 5e-4, "ngf": 32},
    "pyramidp2p": {"lr": 5e-4},
    "cyclegan": {"lr": 5e-4},
    "pspstain": {"lambda_gp": 200},
    "sim-gan": {"lambda_mc": 500},
    "vsmt": {
        "lambda_gan": 0.5,
        "lambda_nce": 0.2,
        "lambda_gp": 200,
        "lambda_gp_guided": 200,
        "lambda_guide": 2,
        "ramp_epochs": 1,
        "ramp_pictures": 1000,
    },
}
"""Where a method needs other values at this size."""
TASKS = {
    f"{stain}_{task}": (f"vsmt-{task}", stain)
    for task in ("classification", "reconstruction")
    for stain in ("he", "ihc")
}
"""Field of VSMT's recipe → method that trains its task network, and on which stain."""


def size_of(method: str) -> dict[str, object]:
    """Return the fields that put a method to the table's size."""
    kind = method_named(method)
    augmentation = Asp.presets["demo"].augmentation.model_dump()
    fields = SIZE | {f"augmentation.{name}": value for name, value in augmentation.items()}
    known = kind.recipe_type.model_fields
    fitting = {name: v for name, v in fields.items() if name.split(".")[0] in known}
    return {n: v if isinstance(v, str) else json.dumps(v) for n, v in fitting.items()}


def preset_of(method: str) -> str:
    """Return the preset a method starts from: its weights for small trainings where it has any."""
    return "demo" if "demo" in method_named(method).presets else "paper"


def steps_of(method: str) -> int:
    """Return how many steps a method trains."""
    return STEPS.get(method, OTHER_STEPS)


def data_words(pairs: Path) -> list[str]:
    """Return what all trainings are told of the data."""
    scale = ["--mpp", str(MPP), "--marker", MARKER]
    return ["--data", str(pairs), *scale, "--precision", "32-true"]


def task_networks(work: Path, pairs: Path) -> dict[str, object]:
    """Train VSMT's task networks that are not there yet; return them as fields of its recipe."""
    for field, (method, stain) in TASKS.items():
        words = ["--method", method, "--preset", "demo", "--set", f"stain={stain}"]
        train_or_resume(
            work / f"vsmt-{field}", [*words, "--steps", str(TASK_STEPS), *data_words(pairs)]
        )
    return {field: work / f"vsmt-{field}" / "model" for field in TASKS}


def train(work: Path, pairs: Path, method: str, seed: int) -> Path:
    """Train a method, unless it is done; return its run."""
    run = work / f"{method}-{seed}"
    fields = size_of(method) | OWN.get(method, {})
    if method == "vsmt":
        fields |= task_networks(work, pairs)
    words = ["--method", method, "--preset", preset_of(method), "--seed", str(seed)]
    words += ["--steps", str(steps_of(method)), *settings_words(fields), *data_words(pairs)]
    train_or_resume(run, words)
    return run


def row_of(run: Path, truth: Path, processes: int) -> dict[str, object]:
    """Return a run's line of the table; what was once measured is kept beside the run."""
    kept = run / "judged.json"
    if not kept.exists():
        judged = judge(run / "model", truth, processes)
        agreement = judged.agreement.compute()
        method, seed = run.name.rsplit("-", 1)
        row = {
            "method": method,
            "seed": int(seed),
            "steps": steps_of(method),
            "seconds": round(step_seconds(run)),
            "r": round(agreement.correlation.r, 3),
            "r_low": round(agreement.correlation.low, 3),
            "r_high": round(agreement.correlation.high, 3),
            "bias": round(agreement.bias, 3),
            "dice": round(judged.dice.compute(), 3),
            "seam": round(judged.seam.compute(), 2),
            "squares": agreement.squares,
            "statistics": load_model(run / "model").card.default_statistics,
        }
        kept.write_text(json.dumps(row))
    found: dict[str, object] = json.loads(kept.read_text())
    return found


def wanted(names: list[str], seeds: list[int]) -> list[tuple[str, int]]:
    """Return methods and seeds, first seeds first; only the three have more than one."""
    generators = [n for n, kind in methods().items() if kind.artifact == "generator"]
    chosen = names or generators
    return [(n, s) for s in seeds for n in chosen if s == 0 or n in THREE_SEEDS]


def main() -> None:
    """Train and judge what is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder that keeps the runs and the truth")
    parser.add_argument("--pairs", type=Path, required=True, help="training pairs")
    parser.add_argument("--methods", nargs="*", default=[], help="these only")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--processes", type=int, default=2, help="processes that judge")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    truth = given.work / "truth"
    rows = [
        row_of(train(given.work, given.pairs, method, seed), truth, given.processes)
        for method, seed in wanted(given.methods, given.seeds)
    ]
    squares = read_squares(truth)
    limits = {"ceiling": round(squares.ceiling(), 3), "hematoxylin": round(squares.baseline(), 3)}
    if given.json:
        print(json.dumps(limits | {"rows": rows}, indent=1))
        return
    print(*(f"{name} {value}" for name, value in limits.items()))
    for row in rows:
        print(*(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
