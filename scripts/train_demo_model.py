"""Train, judge and install the bundled demo models: virtual Ki-67 learned from phantoms.

ASP and MDCL learn from the same pairs for equal steps. Their generators have BatchNorm: in 128 µm
squares of unseen slides, generators whose instance norms were frozen over the slide had the right
pattern but a level that followed the slide's share of tumour.

Run as ``python scripts/train_demo_model.py WORK`` from a checkout. ``WORK`` keeps pairs and runs,
so that a stopped call goes on where it was. On two CPU cores it takes about an hour.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_virtual_ihc.jobs.run_folder import RunFolder
from napari_virtual_ihc.measures.dab_agreement import DabAgreement
from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.models.folder import Model, load_model, save_model
from napari_virtual_ihc.models.library import bundled_folder
from napari_virtual_ihc.slides.phantom.pair_truth import read_squares, write_window_truth
from napari_virtual_ihc.slides.phantom.pairs import Place, write_picture
from napari_virtual_ihc.slides.phantom.phantom import Phantom
from napari_virtual_ihc.slides.phantom.windows import choose_windows
from napari_virtual_ihc.stains.dab import DEFAULT_DAB, dab_density
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from napari_virtual_ihc.slides.phantom.truth import Squares

MARKER = "Ki-67"
MPP = 0.5
SLIDE_PX = 8192
PAIR_PX = 384
TRAIN_SEEDS = range(100, 148)
UNSEEN_SEEDS = range(400, 408)
TILES_PER_SEED = 10
TILE_PX = 512
STEPS = "2400"
MODELS = {"demo": "asp", "demo-mdcl": "mdcl"}
"""Name in the package → method."""
HONEST = "Trained on synthetic tissue: shows the machinery, not biology."
PAIRS_PER_SEED = 7
TUMOUR_SHARE = 0.65
GLASS_IN = 242


def demo_phantom(seed: int) -> Phantom:
    """Return the phantom of a seed at the demo's size and scale."""
    return Phantom(seed, SLIDE_PX, SLIDE_PX, MPP, MARKER)


def places(seed: int, count: int, side: int, tumour: float) -> list[Place]:
    """Return places on a demo phantom, a share ``tumour`` of them rich in tumour."""
    phantom = demo_phantom(seed)
    chosen = choose_windows(phantom, count, side, tumour)
    return [Place(phantom, y, x, side) for y, x in chosen]


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


def evaluation_tiles(seed: int) -> list[Place]:
    """Return the tiles of an unseen phantom that are judged: rich in tumour, on the tile grid."""
    return places(seed, TILES_PER_SEED, TILE_PX, 1.0)


def write_truth(folder: Path, seed: int) -> None:
    """Write per square the truth, the ideal reader and hematoxylin, and true positivity."""
    phantom = demo_phantom(seed)
    ihc = phantom.ihc("same")
    for tile in evaluation_tiles(seed):
        box = (tile.y, tile.x, TILE_PX, TILE_PX)
        positive = dab_density(tile.cut(ihc)) >= DEFAULT_DAB.threshold
        write_window_truth(folder / f"{tile.name}.npz", phantom, box, positive=positive)


def write_all_truth(folder: Path, processes: int) -> None:
    """Write the truth of all unseen phantoms."""
    with ProcessPoolExecutor(processes) as pool:
        for job in [pool.submit(write_truth, folder, seed) for seed in UNSEEN_SEEDS]:
            job.result()


def judge_seed(model_folder: Path, truth: Path, seed: int) -> DabAgreement:
    """Translate the judged tiles of one unseen phantom as the product does; compare with truth."""
    agreement = DabAgreement(MPP, DEFAULT_DAB.name, where="tumour, unseen phantoms")
    slide = demo_phantom(seed).he()
    translator = Translator(load_model(model_folder), slide, device="cpu", tile=TILE_PX)
    for tile in evaluation_tiles(seed):
        positive = dab_density(virtual_tile(translator, tile)) >= DEFAULT_DAB.threshold
        with np.load(truth / f"{tile.name}.npz") as facts:
            agreement.update(positive, facts["positive"], facts["tumour"])
    return agreement


def judge(model_folder: Path, truth: Path, processes: int) -> list[ValidationFigure]:
    """Return the figures of a model on all unseen phantoms."""
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(judge_seed, model_folder, truth, seed) for seed in UNSEEN_SEEDS]
        agreement, *others = [job.result() for job in jobs]
    for other in others:
        agreement.merge(other)
    statistics = load_model(model_folder).card.default_statistics
    return figures(agreement, read_squares(truth), statistics)


def virtual_tile(translator: Translator, tile: Place) -> np.ndarray:
    """Return the virtual IHC of a tile, (TILE_PX, TILE_PX, 3) uint8."""
    address = TileAddress(0, tile.y // TILE_PX, tile.x // TILE_PX)
    made = translator.produce([address], preview=lambda *_: None, cancelled=lambda: False)[address]
    if isinstance(made, TileFailure):
        raise SystemExit(f"Tile {address} failed: {made.reason}")
    return np.ascontiguousarray(made[..., :3])


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
            found = judge(model, work / "truth", arguments.processes)
            for figure in found:
                print(f"{figure.name:24} {figure.value:8.4f}  n={figure.n}  {figure.protocol}")
            print(install(name, work / name, found))


def train(method: str, pairs: Path, run: Path) -> None:
    """Run a training as a user would, or go on with it, unless it is finished."""
    words = ["resume", str(run)]
    if not (run / "run.json").exists():
        words = ["train", "--method", method, "--preset", "demo", "--mpp", str(MPP)]
        words += [
            "--steps",
            STEPS,
            "--precision",
            "32-true",
            "--marker",
            MARKER,
            "--data",
            str(pairs),
            "--out",
            str(run),
        ]
        words += ["--tissue", "synthetic (phantom)", "--licence", "BSD-3-Clause", "--note", HONEST]
    elif RunFolder.open(run).state() == "finished":
        return
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    start = "from napari_virtual_ihc.cli import main; main()"
    subprocess.run([sys.executable, "-c", start, *words], check=True, env=environment)


if __name__ == "__main__":
    main()
