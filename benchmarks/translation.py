"""How fast a slide is translated, as ratios within one run; prints one JSON object.

The reference way: the same weights in fp32 (TF32 off), eager torch, one 512 px tile at a time
without margin, live instance norm. Ours: statistics frozen, the Translator as the viewer and the
export use it.

forward_speedup  reference forward of a 512 px input over ours of the same input size (ours computes
                 only what lies inside its margin, 320 px)
output_speedup   the same for an output of 512 px (ours then reads its margin on top)
speedup          useful output pixels a second of the whole pipeline (reading, margins, writing
                 OME-Zarr) over those of the reference's bare forward
overhead         time of the pipeline over that of its own forwards alone, less 1

Times are medians over interleaved repetitions. Random weights; the antialiased 9-block generator.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from texture import random_model, tissue_slide

from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation.backends.choose import has_bf16_units, openvino_installed
from napari_virtual_ihc.translation.backends.torch_backend import exact_arithmetic
from napari_virtual_ihc.translation.calibration import collect_statistics
from napari_virtual_ihc.translation.export_run import write_tiles
from napari_virtual_ihc.translation.pipeline import Pipeline
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide
    from napari_virtual_ihc.tiles.producer import TileAddress

TILE = 512


@dataclass
class Subject:
    """One backend under test and its times in seconds."""

    translator: Translator
    blocks: list[tuple[TileAddress, ...]]
    times: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, folder: Path) -> None:
        """Take every time once."""
        backend = self.translator.forwards.runner.backend
        margin = self.translator.plan.margin
        same_input = noise(TILE)
        self._time("input", lambda: backend.run(same_input, cancelled=never))
        with_margin = noise(TILE + 2 * margin)
        self._time("output", lambda: backend.run(with_margin, cancelled=never))
        loaded = [self.translator.load(block) for block in self.blocks]
        self._time("forwards", lambda: [run_alone(self.translator, item) for item in loaded])
        self._time("pipeline", lambda: run_pipeline(self.translator, self.blocks, folder))

    def figures(self, reference: float) -> dict[str, Any]:
        """Return this backend's figures against the reference's seconds a tile."""
        seconds = {name: statistics.median(times) for name, times in self.times.items()}
        grid = self.translator.grid
        pixels = sum(
            np.prod(grid.box(tile.row, tile.col)[2:]) for block in self.blocks for tile in block
        )
        rate = float(pixels) / seconds["pipeline"]
        return {
            "runs_on": self.translator.runs_on,
            "precision": self.translator.choice.precision,
            "forward_seconds": seconds["input"],
            "forward_speedup": reference / seconds["input"],
            "output_speedup": reference / seconds["output"],
            "speedup": rate / (TILE**2 / reference),
            "overhead": seconds["pipeline"] / seconds["forwards"] - 1,
            "megapixels_per_second": rate / 1e6,
        }

    def _time(self, name: str, work: Callable[[], object]) -> None:
        self.times.setdefault(name, []).append(timed(work))


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, 3, side, side), np.uint8)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run_alone(translator: Translator, loaded: Any) -> None:
    translator.forwards.run(loaded.pixels, loaded.core, never)


def run_pipeline(
    translator: Translator, blocks: list[tuple[TileAddress, ...]], folder: Path
) -> None:
    grid = translator.grid
    with tempfile.TemporaryDirectory(dir=folder) as out:
        pyramid = OmeZarrPyramid.create(
            Path(out) / "out.ome.zarr", height=grid.height, width=grid.width, mpp=grid.mpp,
            tile=grid.tile, attributes={},
        )  # fmt: skip
        pipeline = Pipeline(translator, lambda made: write_tiles(pyramid, made))
        for _ in pipeline.run(blocks, never):
            pass


def reference_forward(model: Model, device: str) -> Callable[[], None]:
    network = model.network().to(device)
    image = torch.rand(1, 3, TILE, TILE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    image = image.to(device)

    def run() -> None:
        with torch.inference_mode(), exact_arithmetic():
            network(image)
            if device == "cuda":
                torch.cuda.synchronize()

    return run


def subjects(model: Model, slide: Slide, cache: Path, blocks: int) -> dict[str, Subject]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    measured = collect_statistics(model, slide, cache=cache, device=device)
    names = ["torch", "openvino"] if device == "cpu" and openvino_installed() else ["torch"]
    found = {}
    for name in names:
        translator = Translator(
            model, slide, device=device, backend=name, cache=cache, measured=measured
        )
        found[name] = Subject(translator, list(translator.plan.all_blocks())[:blocks])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=3, help="joined forwards in the pipeline")
    parser.add_argument("--ngf", type=int, default=64)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(name), words.repetitions, words.blocks, words.ngf)
    print(json.dumps(result) if words.json else json.dumps(result, indent=1))


def measure(folder: Path, repetitions: int, blocks: int, ngf: int) -> dict[str, Any]:
    group = 4 if torch.cuda.is_available() else 2
    side = group * TILE
    model = random_model(folder, ngf=ngf, blocks=9)
    found = subjects(model, tissue_slide(folder, side, side * blocks), folder, blocks)
    device = next(iter(found.values())).translator.choice.device
    reference, times = reference_forward(model, device), []
    warm_up(reference, found)
    for number in range(repetitions):
        print(f"repetition {number + 1} of {repetitions}", file=sys.stderr)
        times.append(timed(reference))
        for subject in found.values():
            subject.measure(folder)
    seconds = statistics.median(times)
    figures = {name: subject.figures(seconds) for name, subject in found.items()}
    best = max(figures, key=lambda name: figures[name]["speedup"])
    return {
        **stamp("virtual-ihc/benchmark/1", "benchmarks/translation.py"),
        "backend": best,
        **{name: figures[best][name] for name in ("forward_speedup", "speedup", "overhead")},
        "bf16_units": has_bf16_units(),
        "device": device,
        "threads": torch.get_num_threads(),
        "reference_seconds": seconds,
        "ngf": ngf,
        "repetitions": repetitions,
        "backends": figures,
    }


def warm_up(reference: Callable[[], None], found: dict[str, Subject]) -> None:
    reference()
    for subject in found.values():
        translator = subject.translator
        margin = translator.plan.margin
        backend = translator.forwards.runner.backend
        for side in (TILE, TILE + 2 * margin):
            backend.run(noise(side), cancelled=never)
        run_alone(translator, translator.load(subject.blocks[0]))


if __name__ == "__main__":
    main()
