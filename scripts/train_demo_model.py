"""Train, judge and install the bundled demo models: virtual Ki-67 learned from phantoms.

ASP and MDCL learn from the same pairs for equal steps. Their generators have BatchNorm: in 128 µm
squares of unseen slides, generators whose instance norms were frozen over the slide had the right
pattern but a level that followed the slide's share of tumour.

Run as ``python scripts/train_demo_model.py WORK`` from a checkout. ``WORK`` keeps pairs and runs,
so that a stopped call goes on where it was. On two CPU cores it takes about an hour.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from phantom_judge import MARKER, MPP, demo_phantom, judge, places, write_all_truth
from train_runs import train_or_resume

from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.models.folder import Model, load_model, save_model
from napari_virtual_ihc.models.library import bundled_folder
from napari_virtual_ihc.slides.phantom.pair_truth import read_squares
from napari_virtual_ihc.slides.phantom.pairs import write_picture

if TYPE_CHECKING:
    from napari_virtual_ihc.measures.dab_agreement import DabAgreement
    from napari_virtual_ihc.slides.phantom.truth import Squares

PAIR_PX = 384
TRAIN_SEEDS = range(100, 148)
STEPS = "2400"
MODELS = {"demo": "asp", "demo-mdcl": "mdcl"}
"""Name in the package → method."""
HONEST = "Trained on synthetic tissue: shows the machinery, not biology."
PAIRS_PER_SEED = 7
TUMOUR_SHARE = 0.65
GLASS_IN = 242


def write_seed(root: Path, seed: int, count: int) -> int:
    """Write the pairs of one phantom that are not there yet; return how many there are."""
    phantom = demo_phantom(seed)
    sections = {"HE": phantom.he(), MARKER: phantom.ihc("same")}
    chosen = places(seed, count, PAIR_PX, TUMOUR_SHARE)
    for place in chosen:
        for folder, slide in sections.items():
            write_picture(root / folder / f"{place.name}.png", place, slide)
    return len(chosen)


def write_pairs(root: Path, seeds: range, count: int, processes: int) -> int:
    """Write the training pairs of all seeds; return how many there are."""
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(write_seed, root, seed, count) for seed in seeds]
        return sum(job.result() for job in jobs)


def figures(agreement: DabAgreement, squares: Squares, statistics: str) -> list[ValidationFigure]:
    """Return the numbers of the card, each with its protocol."""
    result = agreement.compute()
    protocol = f"{result.protocol}; statistics {statistics}"
    truth = "true chromogen OD ≥ 0.15 in tumour per 128 µm square of the same unseen phantoms"
    named = {
        "dab_area_r": (result.correlation.r, protocol),
        "dab_area_bias": (result.bias, protocol),
        "dab_area_r_ceiling": (squares.ceiling(), f"ideal reader of the H&E; {truth}"),
        "dab_area_r_hematoxylin": (squares.baseline(), f"hematoxylin density alone; {truth}"),
    }
    return [
        ValidationFigure(name=name, value=round(value, 4), protocol=text, n=result.squares)
        for name, (value, text) in named.items()
    ]


def install(name: str, run: Path, judged: list[ValidationFigure]) -> Path:
    """Put the model with its figures into the package."""
    model = load_model(run / "model")
    held_out = [figure for figure in model.card.validation if "held-out" in figure.protocol]
    card = model.card.model_copy(
        update={
            "name": name,
            "validation": (*judged, *held_out),
            "background": glass_out(model),
            "notes": (HONEST, *model.card.notes),
        }
    )
    folder = bundled_folder(name)
    return save_model(folder, card, dict(model.state), command="train", replace=True)


def glass_out(model: Model) -> tuple[int, int, int]:
    """Return what a model paints on clear glass; it fills the blank tiles of exports."""
    glass = torch.full((1, 3, 256, 256), GLASS_IN / 127.5 - 1)
    red, green, blue = ((model.network()(glass)[0, :, 128, 128] + 1) / 2 * 255).tolist()
    return int(red), int(green), int(blue)


def main() -> None:
    """Do all stages that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder that keeps pairs and run")
    parser.add_argument("--processes", type=int, default=2, help="processes that draw phantoms")
    parser.add_argument("--only", choices=["pairs", "truth", "train", "judge"], help="one stage")
    arguments = parser.parse_args()
    work, only = arguments.work, arguments.only
    if only in (None, "pairs"):
        write_pairs(work / "pairs", TRAIN_SEEDS, PAIRS_PER_SEED, arguments.processes)
    if only in (None, "train"):
        for name, method in MODELS.items():
            train(method, work / "pairs", work / name)
    if only in (None, "truth"):
        write_all_truth(work / "truth", arguments.processes)
    if only in (None, "judge"):
        for name in MODELS:
            model = work / name / "model"
            agreement = judge(model, work / "truth", arguments.processes).agreement
            statistics = load_model(model).card.default_statistics
            found = figures(agreement, read_squares(work / "truth"), statistics)
            for figure in found:
                print(f"{figure.name:24} {figure.value:8.4f}  n={figure.n}  {figure.protocol}")
            print(install(name, work / name, found))


def train(method: str, pairs: Path, run: Path) -> None:
    """Run a training as a user would, or go on with it, unless it is finished."""
    words = ["--method", method, "--preset", "demo", "--steps", STEPS, "--precision", "32-true"]
    words += ["--data", str(pairs), "--mpp", str(MPP), "--marker", MARKER, "--note", HONEST]
    words += ["--tissue", "synthetic (phantom)", "--licence", "BSD-3-Clause"]
    train_or_resume(run, words)


if __name__ == "__main__":
    main()
