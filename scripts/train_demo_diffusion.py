"""Train, join and install the bundled MIU-Diff model: virtual Ki-67 from phantom IHC alone.

Run as ``python scripts/train_demo_diffusion.py WORK --pairs DIR`` from a checkout; the pairs are
those of ``train_demo_model.py``, seen at 1 µm/px. On two CPU cores it takes about an hour;
``benchmarks/diffusion.py`` then judges it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phantom_judge import MARKER, MPP
from train_demo_model import HONEST, PAIR_PX
from train_runs import train_or_resume

from napari_virtual_ihc.methods.miu_diff_model import join
from napari_virtual_ihc.models.card import ValidationFigure
from napari_virtual_ihc.models.folder import load_model, save_model
from napari_virtual_ihc.models.library import bundled_folder

if TYPE_CHECKING:
    from napari_virtual_ihc.models.card import ModelCard

NAME = "demo-miu-diff"
STEPS = {"miu-diff": 3000, "miu-diff-estimator": 2000}
SETTINGS = {"miu-diff": ["batch_size=4"], "miu-diff-estimator": []}
SAMPLER: dict[str, Any] = {
    "start": 300,
    "lambda_schedule": "constant",
    "lambda_constant": 0.0,
    "entropy": "none",
    "guidance_scale": 0.02,
    "colour": "luminance",
}
"""Where the demo is sampled otherwise than by MIU-Diff's preset.

The information alone guides, and the H&E's lightness alone is noised: with its hue moved to that
of the IHC (Reinhard), all nuclei began blue and stayed so.
"""
FIGURES = ("psnr", "vif", "iod_error", "hist", "dab_r", "structure_r")


def train(work: Path, pairs: Path, method: str) -> Path:
    """Train a network, unless it is done; return its model."""
    run = work / method
    words = ["--method", method, "--preset", "small", "--steps", str(STEPS[method])]
    words += ["--data", str(pairs), "--mpp", str(MPP), "--marker", MARKER, "--tissue", "phantom"]
    words += ["--precision", "32-true", "--licence", "CC0-1.0"]
    for setting in (f"load_size={PAIR_PX // 2}", *SETTINGS[method]):
        words += ["--set", setting]
    train_or_resume(run, words)
    return run / "model"


def judged(card: ModelCard, table: dict[str, Any]) -> ModelCard:
    """Return the card with the figures of its row in a table of ``benchmarks/diffusion.py``."""
    assert isinstance(card.sampler, dict)
    row = table["rows"][f"{card.sampler['steps']} steps"]
    where = f"benchmarks/diffusion.py, {row['tiles']} tiles of unseen phantoms"
    figures = tuple(
        ValidationFigure(name=name, value=row[name], protocol=where, n=row["tiles"])
        for name in FIGURES
    )
    return card.model_copy(update={"validation": (*figures, *card.validation)})


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder that keeps the runs")
    parser.add_argument("--pairs", type=Path, required=True, help="training pairs")
    parser.add_argument("--table", type=Path, help="JSON of benchmarks/diffusion.py, for the card")
    given = parser.parse_args()
    score, estimator = (load_model(train(given.work, given.pairs, m)) for m in STEPS)
    joined = given.work / NAME
    if not joined.exists():
        join(score, estimator, joined, name=NAME, sampler=SAMPLER, half=True)
    model = load_model(joined)
    card = model.card.model_copy(update={"notes": (HONEST, *model.card.notes)})
    if given.table is not None:
        card = judged(card, json.loads(given.table.read_text()))
    state = dict(model.state)
    save_model(bundled_folder(NAME), card, state, command="models join", replace=True)
    print(f"{NAME} is installed.")


if __name__ == "__main__":
    main()
