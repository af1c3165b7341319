"""How much faster two dask workers translate a slide than one; prints one JSON object.

A real scheduler and real workers (``dask scheduler``, ``dask worker``), one thread each, torch and
OpenVINO held to one thread too; the generator is the antialiased 9-block ResNet, ngf 64, random
weights. Outside the timed part: starting processes, measuring the slide's statistics, and loading
slide and network on each worker and compiling it there. Inside: everything else of an export,
coarser levels and checksums included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client
from texture import random_model, tissue_slide

from napari_virtual_ihc.provenance import stamp
from napari_virtual_ihc.translation.calibration import collect_statistics
from napari_virtual_ihc.translation.cluster import order_of, warm
from napari_virtual_ihc.translation.export import Options, translate_slide
from napari_virtual_ihc.translation.record import Record
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.slides.slide import Slide

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Run a scheduler and workers as processes; yields the scheduler's address."""
    place = folder / f"scheduler-{workers}.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0"]
    command += ["--no-dashboard", "--scheduler-file", str(place)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(command, **quiet)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(place)]
    worker += ["--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
    environment = os.environ | _ONE_THREAD
    running += [subprocess.Popen(worker, env=environment, **quiet) for _ in range(workers)]
    try:
        with Client(scheduler_file=str(place), timeout="60s") as client:
            client.wait_for_workers(workers, timeout=120)
            yield client.scheduler.address
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(30)


def export(slide: Slide, path: Path, model: Model, folder: Path, workers: int) -> dict[str, Any]:
    out = folder / f"{workers}.ome.zarr"
    with cluster(folder, workers) as address:
        measured = collect_statistics(model, slide, cache=folder / "cache")
        translator = Translator(model, slide, cache=folder / "cache", measured=measured)
        with Client(address) as client:
            first = next(iter(translator.plan.all_blocks()))
            client.run(warm, order_of(translator, path), first)
        start = time.perf_counter()
        report = translate_slide(
            slide, model, out, Options(scheduler=address), slide_path=path,
            cache=folder / "cache",
        )  # fmt: skip
        seconds = time.perf_counter() - start - report.calibration_seconds
    sums = Record(out).sealed()
    return {"seconds": seconds, "failed": report.failed_tiles, "tiles": report.tiles, "sums": sums}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--side", type=int, default=4096, help="of the slide in px")
    parser.add_argument("--ngf", type=int, default=64)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide = tissue_slide(folder, words.side, words.side)
        model = random_model(folder, ngf=words.ngf, blocks=9)
        path = folder / f"{words.side}x{words.side}.tif"
        runs = {count: export(slide, path, model, folder, count) for count in (1, 2)}
    result = {
        **stamp("virtual-ihc/benchmark/1", "benchmarks/cluster.py"),
        "speedup": runs[1]["seconds"] / runs[2]["seconds"],
        "one_worker_seconds": runs[1]["seconds"],
        "two_workers_seconds": runs[2]["seconds"],
        "tiles": runs[2]["tiles"],
        "failed_tiles": runs[1]["failed"] + runs[2]["failed"],
        "same_bytes": runs[1]["sums"] == runs[2]["sums"],
        "cpus": os.cpu_count(),
        "outside_the_timed_part": "processes, statistics, loading and compiling",
    }
    print(json.dumps(result) if words.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
