"""``virtual-ihc translate`` and ``verify`` as a user runs them: on files, killed, on a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import torch
import zarr
from scipy import ndimage

from napari_virtual_ihc.cli.app import run
from napari_virtual_ihc.models.card import ModelCard
from napari_virtual_ihc.models.folder import save_model
from napari_virtual_ihc.networks.init import initialise
from napari_virtual_ihc.networks.radius import dependency_radius
from napari_virtual_ihc.networks.registry import describe
from napari_virtual_ihc.networks.resnet import ResnetConfig, ResnetGenerator
from napari_virtual_ihc.slides.pyramid_store import OmeZarrPyramid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ResnetConfig(ngf=4, n_blocks=1)
    network = ResnetGenerator(config)
    initialise(network, "kaiming", generator=torch.Generator().manual_seed(0))
    card = ModelCard(
        name="tiny", architecture="resnet", arguments=describe(config), marker="HER2",
        mpp_in=0.5, mpp_out=0.5, tiling="exact", dependency_radius=dependency_radius(config),
    )  # fmt: skip
    return save_model(tmp_path_factory.mktemp("models") / "tiny", card, network.state_dict())


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slides") / "patient-name.tif"
    return write_slide(path, 1300, 1500)


def write_slide(path: Path, height: int, width: int) -> Path:
    noise = np.random.default_rng(0).standard_normal((height, width), np.float32)
    amount = np.clip(ndimage.gaussian_filter(noise, 3) * 8 + 1, 0.2, 3)
    od = amount[..., None] * (0.15, 0.3, 0.12)
    od[:, : width // 5] = 0
    tifffile.imwrite(
        path, (242 * 10.0**-od).astype(np.uint8), photometric="rgb", tile=(256, 256),
        compression="jpeg", metadata=None,
    )  # fmt: skip
    return path


def words(slide: Path, out: Path, model: Path, *more: str) -> list[str]:
    given = ["translate", str(slide), str(out), "--model", str(model), "--json", *more]
    return given if "--mpp" in more else [*given, "--mpp", "0.5"]


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def pixels(out: Path) -> np.ndarray:
    return np.asarray(zarr.open_group(str(out), mode="r")["0"])


def test_translate_prints_what_is_promised_and_verify_agrees(
    slide: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.ome.zarr"
    assert run(words(slide, out, model)) == 0
    found = answer(capsys)
    assert {"tiles", "failed_tiles", "seconds", "megapixels_per_second", "um_per_px"} <= set(found)
    assert (found["tiles"], found["failed_tiles"], found["um_per_px"]) == (9, 0, 0.5)
    assert "patient" not in (out / "zarr.json").read_text()
    check = ["verify", str(out), "--slide", str(slide), "--model", str(model), "--json"]
    assert run([*check, "--tiles", "3"]) == 0
    assert answer(capsys)["agrees"]
    array = zarr.open_group(str(out), mode="r+")["0"]
    array[0, 1200, 1200] = int(array[0, 1200, 1200]) ^ 8
    assert run([*check, "--tiles", "1"]) == 1
    assert not answer(capsys)["agrees"]


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--model", "nonesuch"], 1, "There is no model 'nonesuch'"),
        (["--region", "1,2,3"], 2, "--region is y,x,h,w"),
        (["--device", "tpu"], 2, "Unknown device 'tpu'"),
        (["--scheduler", "tcp://127.0.0.1:1"], 1, "does not answer"),
    ],
)
def test_wrong_words_are_one_sentence(
    slide: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    more: list[str], code: int, sentence: str,
) -> None:  # fmt: skip
    assert run([*words(slide, tmp_path / "o.ome.zarr", model), *more]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sentence in printed.err
    assert "Traceback" not in printed.err


def test_a_file_that_is_no_slide_is_one_sentence(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.svs").write_text("not a slide")
    assert run(words(tmp_path / "x.svs", tmp_path / "o.ome.zarr", model)) == 1
    assert "x.svs is not a slide" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_exports_go_on_to_the_same_bytes(
    slide: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole.ome.zarr", tmp_path / "out.ome.zarr"
    assert run(words(slide, whole, model)) == 0
    answer(capsys)
    program = [sys.executable, "-c", "from napari_virtual_ihc.cli import main; main()"]
    for number, blow in enumerate((signal.SIGKILL, signal.SIGINT)):
        process = subprocess.Popen([*program, *words(slide, out, model)], stdout=subprocess.DEVNULL)
        wait_for(out, 1 + 4 * number)
        process.send_signal(blow)
        process.wait(60)
    assert run(words(slide, out, model)) == 0
    found = answer(capsys)
    assert found["resumed_tiles"] >= 1
    np.testing.assert_array_equal(pixels(out), pixels(whole))


@pytest.mark.slow
def test_a_cluster_makes_the_same_bytes(
    slide: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here.ome.zarr", tmp_path / "there.ome.zarr"
    assert run(words(slide, here, model)) == 0
    answer(capsys)
    with cluster(tmp_path, workers=2) as address:
        assert run(words(slide, there, model, "--scheduler", address)) == 0
    found = answer(capsys)
    assert (found["workers"], found["failed_tiles"], found["tiles"]) == (2, 0, 9)
    np.testing.assert_array_equal(pixels(there), pixels(here))


@pytest.mark.slow
def test_two_encodings_of_a_real_slide_agree(
    shared_data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "CMU-1-Small-Region.svs", "dicom_CMU-1-Small-Region"
    images = []
    for number, name in enumerate(names):
        out = tmp_path / f"{number}.ome.zarr"
        source = shared_data / "wsi" / name
        assert run(["translate", str(source), str(out), "--model", str(model), "--json"]) == 0
        assert answer(capsys)["failed_tiles"] == 0
        images.append(pixels(out).astype(np.int16))
    assert images[0].shape == images[1].shape


def wait_for(out: Path, tiles: int) -> None:
    for _ in range(1200):
        if len(list((out / "0").rglob("c/0/*/*"))) >= tiles:
            return
        time.sleep(0.05)
    pytest.fail("no tiles were written")


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Run ``dask scheduler`` and ``dask worker`` as processes."""
    place = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    first = [*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(place)]
    rest = [*dask, "worker", "--scheduler-file", str(place), "--nthreads", "1", "--no-dashboard"]
    rest += ["--local-directory", str(folder / "dask")]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen(first, **quiet)]
    running += [subprocess.Popen(rest, env=one_thread, **quiet) for _ in range(workers)]
    try:
        yield _address(place, workers)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(30)


def _address(place: Path, workers: int) -> str:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(scheduler_file=str(place), timeout="60s") as client:
        client.wait_for_workers(workers, timeout=120)
        return str(client.scheduler.address)


def test_missing_pixels_leave_with_code_1_and_the_place(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    slide = OmeZarrPyramid.create(
        tmp_path / "a.ome.zarr", height=1024, width=1024, mpp=0.5, tile=256, attributes={}
    )
    for row, col in np.ndindex(*slide.grid):
        slide.write_tile(row, col, rng.integers(90, 220, (256, 256, 3)).astype(np.uint8))
    slide.build_levels()
    slide.drop_tile(0, 0, 3)
    out = tmp_path / "out.ome.zarr"
    assert run(words(slide.path, out, model, "--backend", "torch")) == 1
    told = answer(capsys)
    assert (told["failed_tiles"], told["incomplete"]) == (0, ["0, 1"])
    assert run(["verify", str(out), "--slide", str(slide.path), "--model", str(model)]) == 0
