"""How fast a training step is, as a ratio within one run; prints one JSON object.

The published way: float32 (TF32 off), channels first, each picture translated and encoded by passes
of its own (`published.py`). Ours: the method as the trainer runs it, bf16-mixed where the machine
multiplies bf16 in hardware, channels last, shared passes. Both have the same weights and pictures
and the paper's networks (6 blocks, ngf 64, ndf 32, five stages, spectral norm).

speedup          images a second of ours over those of the published way, the smaller of ASP, MDCL
methods          the same for each method, with the images a second of either

Times are medians over interleaved repetitions; data loading is not measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from published import PublishedStep

from napari_virtual_ihc.methods.asp import Asp
from napari_virtual_ihc.methods.base import Batch
from napari_virtual_ihc.methods.mdcl import Mdcl
from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.training.engine import FabricEngine
from napari_virtual_ihc.training.loop import channels_last
from napari_virtual_ihc.training.precision import run_in
from napari_virtual_ihc.training.world import Place, World
from napari_virtual_ihc.translation.backends.choose import has_bf16_units

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = (Asp, Mdcl)
EPOCH = 36


def pictures(crop: int, batch: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    he, ihc = torch.rand(2, batch, 3, crop, crop, generator=source).to(device) * 2 - 1
    return he, ihc


def our_step(method: Asp, fabric: Fabric, crop: int, batch: int) -> Callable[[], object]:
    device = fabric.device
    for letter, network in method.networks.items():
        method.networks[letter] = channels_last(network.to(device))
        run_in(method.networks[letter], fabric)
    engine = FabricEngine(fabric, World(Place()), None)
    he, ihc = (
        picture.to(memory_format=torch.channels_last)
        for picture in pictures(crop, batch, str(device))
    )
    source = torch.Generator().manual_seed(0)

    def step() -> None:
        seen = Batch(he, ihc, ("picture",) * batch, 0, EPOCH, source)
        losses = method.training_step(seen, engine)
        assert losses["G"].isfinite()

    return step


def published_step(method: Asp, device: str, crop: int, batch: int) -> Callable[[], object]:
    step = PublishedStep(method)
    for network in (step.generator, step.judge, step.head):
        network.to(device)
    he, ihc = pictures(crop, batch, device)
    return partial(step, he, ihc, EPOCH)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(words: argparse.Namespace, device: str, precision: str) -> dict[str, Any]:
    fabric = Fabric(accelerator=device, devices=1, precision=precision)
    steps: dict[tuple[str, str], Callable[[], object]] = {}
    for kind in METHODS:
        method = kind.build(kind.presets["paper"], seed=0)
        place = "cuda" if device == "gpu" else device
        steps[kind.name, "published"] = published_step(method, place, words.crop, words.batch)
        steps[kind.name, "ours"] = our_step(method, fabric, words.crop, words.batch)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
    for number in range(words.repetitions + 1):
        print(f"repetition {number} of {words.repetitions}", file=sys.stderr)
        for key, step in steps.items():
            seconds = timed(step)
            if number:
                times[key].append(seconds)
    return {
        kind.name: figures(
            *(statistics.median(times[kind.name, way]) for way in ("published", "ours")),
            words.batch,
        )
        for kind in METHODS
    }


def figures(published: float, ours: float, batch: int) -> dict[str, float]:
    return {
        "speedup": published / ours,
        "images_per_second": batch / ours,
        "published_images_per_second": batch / published,
    }


def main() -> None:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--repetitions", type=int, default=10 if gpu else 3)
    parser.add_argument("--crop", type=int, default=512 if gpu else 256, help="side, pixels")
    parser.add_argument("--batch", type=int, default=1, help="crops per step")
    words = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    precision = "bf16-mixed" if gpu or has_bf16_units() else "32-true"
    methods = measure(words, "gpu" if gpu else "cpu", precision)
    result = {
        **stamp("virtual-ihc/benchmark/1", "benchmarks/training.py"),
        "speedup": min(found["speedup"] for found in methods.values()),
        "methods": methods,
        "device": torch.cuda.get_device_name() if gpu else "cpu",
        "precision": precision,
        "bf16_units": gpu or has_bf16_units(),
        "threads": torch.get_num_threads(),
        "crop": words.crop,
        "batch": words.batch,
        "repetitions": words.repetitions,
    }
    print(json.dumps(result) if words.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
