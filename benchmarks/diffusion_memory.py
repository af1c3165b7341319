"""What a diffusion of the paper's size needs in memory, and how soon it stops when told to.

A region of a phantom is sampled tile by tile by untrained networks of the `paper` size: guided and
refined at every step, so that each kind of gradient is held at least once.

Run as ``python benchmarks/diffusion_memory.py --json`` from a checkout.

peak_gb               most memory the process held, in 10⁹ bytes
steps_after_cancel    steps begun after the chain was told to stop
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.models.card import ColourStatistics, ModelCard
from napari_virtual_ihc.models.folder import load_model, save_model
from napari_virtual_ihc.networks.miu_diff import MiuDiffConfig, MiuDiffNetworks
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.score_unet import SIZES
from napari_virtual_ihc.networks.statistics_network import StatisticsConfig
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.sampling.recipe import SamplerRecipe
from napari_virtual_ihc.slides.phantom.phantom import Phantom
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from napari_virtual_ihc.models.folder import Model

_LAB = ColourStatistics(
    stains=("L*", "a*", "b*"), mean=(75.0, 3.0, 2.0), std=(12.0, 4.0, 5.0), vectors="CIELAB"
)
_MPP = 0.5


def paper_model(folder: Path, steps: int) -> Model:
    """Write and return an untrained model of the published size."""
    config = MiuDiffConfig(SIZES["paper"], StatisticsConfig())
    sampler = SamplerRecipe(start=40, steps=steps, t0_refine=40)
    card = ModelCard.model_validate(
        {
            "name": "paper-size", "kind": "diffusion", "architecture": "miu-diff",
            "arguments": describe(config), "marker": "none", "mpp_in": _MPP, "mpp_out": _MPP,
            "tiling": "blended", "default_statistics": "none", "output_lab": _LAB,
            "sampler": sampler.model_dump(),
        }
    )  # fmt: skip
    save_model(folder, card, MiuDiffNetworks(config).state_dict())
    return load_model(folder)


def region(translator: Translator, side: int) -> list[TileAddress]:
    """Return the tiles of a square region in the middle of the slide."""
    grid = translator.grid
    count = -(-side // grid.tile)
    first = grid.rows // 2 - count // 2
    return [TileAddress(0, first + i, first + j) for i in range(count) for j in range(count)]


def steps_after_cancel(translator: Translator, tile: TileAddress) -> int:
    """Return how many steps a chain begins after it was told to stop at the first."""
    counted = 0

    def told() -> bool:
        nonlocal counted
        counted += 1
        return True

    try:
        translator.compute(translator.load([tile]), told)
    except Cancelled:
        done, _ = translator.steps() or (0, 0)
        return done - counted
    raise SystemExit("The chain did not stop.")


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1024, help="side of the region, px")
    parser.add_argument("--steps", type=int, default=2, help="steps of each tile, two at least")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout (always)")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = paper_model(Path(folder) / "model", words.steps)
        slide = Phantom(400, 4096, 4096, _MPP, "Ki-67").he()
        translator = Translator(model, slide, device=words.device)
        tiles = region(translator, words.side)
        left = steps_after_cancel(translator, tiles[0])
        start = time.perf_counter()
        made = translator.produce(tiles, preview=lambda *_: None, cancelled=lambda: False)
        seconds = time.perf_counter() - start
    failed = [tile.reason for tile in made.values() if isinstance(tile, TileFailure)]
    if failed:
        raise SystemExit(failed[0])
    weights = sum(value.numel() for value in model.state.values())
    figures = {
        "side_px": words.side, "tiles": len(made), "steps": words.steps,
        "precision": translator.choice.precision, "million_weights": round(weights / 1e6, 1),
        "peak_gb": round(peak_bytes(words.device) / 1e9, 2),
        "seconds_per_step": round(seconds / len(made) / words.steps, 2),
        "steps_after_cancel": left,
    }  # fmt: skip
    print(
        json.dumps(
            {**stamp("virtual-ihc/benchmark/1", "benchmarks/diffusion_memory.py"), **figures},
            indent=1,
        )
    )


def peak_bytes(device: str) -> int:
    """Return the most memory held: of the process, and of the GPU where it ran there."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return held + (torch.cuda.max_memory_allocated() if device == "cuda" else 0)


if __name__ == "__main__":
    main()
