from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from translation_scenes import resnet_model, slide_of, tissue, unet_model, whole

from napari_virtual_ihc.errors import Cancelled, MissingScaleError, ModelError, UsageError
from napari_virtual_ihc.measures.seam import SeamFigure
from napari_virtual_ihc.networks.norm import LayerStatistics
from napari_virtual_ihc.networks.norm_statistics import freeze_statistics
from napari_virtual_ihc.networks.resnet import ResnetConfig
from napari_virtual_ihc.slides.slide import Slide
from napari_virtual_ihc.tiles.producer import TileAddress, TileFailure, never
from napari_virtual_ihc.translation.backends.torch_backend import to_bytes, to_unit
from napari_virtual_ihc.translation.forwards import Forwards
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_virtual_ihc.models.folder import Model
    from napari_virtual_ihc.translation.backends.base import Bytes

BACKENDS = ["torch", "openvino"]


@pytest.fixture
def make(model: Model, cache: Path) -> Callable[..., Translator]:
    def build(slide: Slide | None = None, **options: Any) -> Translator:
        given = {"tile": 96, "backend": "torch", "precision": "fp32", "cache": cache} | options
        return Translator(given.pop("model", model), slide or slide_of(tissue()), **given)

    return build


def untiled(translator: Translator, margin: int) -> np.ndarray:
    """The unfolded network with frozen statistics over the whole slide at once."""
    network, found = translator.model.network(), translator.statistics
    assert found is not None
    frozen = {
        name: LayerStatistics(torch.tensor(mean), torch.tensor(var))
        for name, (mean, var) in found.layers.items()
    }
    freeze_statistics(network, frozen)
    grid = translator.grid
    reach = margin * grid.mpp
    h, w = (-(-side // 4) * 4 + 2 * margin for side in (grid.height, grid.width))
    pixels = translator.slide.region(-reach, -reach, h, w, grid.mpp).pixels
    with torch.inference_mode():
        image = network(to_unit(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]))
    full = to_bytes(image)[0].permute(1, 2, 0).numpy()
    return full[margin : margin + grid.height, margin : margin + grid.width]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mpp", [0.5, 0.27])
def test_tiled_equals_untiled(make: Callable[..., Translator], backend: str, mpp: float) -> None:
    translator = make(slide_of(tissue(), mpp), backend=backend)
    tiled = whole(translator)
    difference = np.abs(tiled[..., :3].astype(int) - untiled(translator, 64))[tiled[..., 3] > 0]
    assert difference.size
    assert difference.max() <= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_bf16_stays_within_three_grey_levels(make: Callable[..., Translator], backend: str) -> None:
    translator = make(backend=backend, precision="bf16")
    tiled = whole(translator)
    difference = np.abs(tiled[..., :3].astype(int) - untiled(translator, 64))[tiled[..., 3] > 0]
    assert np.mean(difference <= 3) >= 0.999


def test_seam_of_each_mode(
    make: Callable[..., Translator], capsys: pytest.CaptureFixture[str]
) -> None:
    seams = {}
    for mode in ("slide", "tile", "dense"):
        figure = SeamFigure(96)
        figure.update(whole(make(statistics=mode))[:, 96:, :3])
        seams[mode] = figure.compute()
    with capsys.disabled():
        print(f"\nseam at tile borders: { ({k: round(v, 2) for k, v in seams.items()}) }")
    assert seams["slide"] < 1.2
    assert seams["tile"] > 1.3 * seams["slide"]


@pytest.mark.parametrize("mode", ["slide", "tile", "dense"])
def test_bytes_do_not_depend_on_order_mates_or_restarts(
    make: Callable[..., Translator], mode: str
) -> None:
    first = whole(make(statistics=mode))
    again = make(statistics=mode)
    tiles = [tile for block in again.plan.all_blocks() for tile in block]
    random.Random(1).shuffle(tiles)
    for address in tiles:
        y, x, h, w = again.grid.box(address.row, address.col)
        found = again.produce([address], preview=lambda *_: None, cancelled=never)[address]
        np.testing.assert_array_equal(found, first[y : y + h, x : x + w])


def test_live_neighbours_do_not_change_a_tile(make: Callable[..., Translator]) -> None:
    """A block is translated over its live tiles only; blanking one leaves the others alone."""
    image = tissue(192, 400)
    blanked = image.copy()
    measured = make(slide_of(image)).statistics
    blanked[:, 288:] = 242
    first, second = (
        whole(make(slide_of(pixels), measured=measured)) for pixels in (image, blanked)
    )
    assert second[0, 350, 3] == 0
    np.testing.assert_array_equal(first[:, 96:256], second[:, 96:256])


class Shortage:
    """Fails forwards of more than ``limit`` input pixels, as a full memory would."""

    def __init__(self, run: Callable[..., Bytes], limit: int, error: type[Exception]) -> None:
        self.run, self.limit, self.error, self.refused = run, limit, error, 0

    def __call__(self, batch: Bytes, *, cancelled: Callable[[], bool]) -> Bytes:
        if batch.shape[2] * batch.shape[3] > self.limit:
            self.refused += 1
            raise self.error("CUDA out of memory. Tried to allocate a lot.")
        return self.run(batch, cancelled=cancelled)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_memory_running_out_changes_no_byte_and_is_told_once(
    make: Callable[..., Translator], backend: str, error: type[Exception], monkeypatch: Any
) -> None:
    expected = whole(make(tile=256, backend=backend))
    told: list[str] = []
    translator = make(tile=256, backend=backend, notify=told.append)
    translator.prepare()
    runner = translator.forwards.runner
    shortage = Shortage(runner.backend.run, 240 * 240, error)
    monkeypatch.setattr(runner.backend, "run", shortage)
    np.testing.assert_array_equal(whole(translator), expected)
    assert shortage.refused >= 2
    assert translator.persist
    assert [sentence[:14] for sentence in told] == ["Memory ran out"] * 2
    assert tuple(told) == tuple(translator.notices)


def test_the_cpu_is_the_last_resort_and_its_tiles_are_not_kept(
    make: Callable[..., Translator],
) -> None:
    translator = make()
    expected = whole(translator)
    ready = translator._ready
    assert translator.persist
    forwards = ready.forwards
    cpu, told = forwards.runner, []

    class Gpu:
        backend, divisible = cpu.backend, False

        def __call__(self, *_: object) -> Bytes:
            raise torch.OutOfMemoryError("CUDA out of memory")

        def release(self) -> None: ...

    replaced = Forwards(Gpu(), lambda: cpu, margin=32, side=96, step=4, notify=told.append)
    object.__setattr__(ready, "forwards", replaced)
    np.testing.assert_array_equal(whole(translator), expected)
    assert len(told) == 1
    assert "CPU" in told[0]
    assert not translator.persist


def test_memory_that_never_suffices_is_an_error_and_other_errors_pass(
    make: Callable[..., Translator], monkeypatch: Any
) -> None:
    translator = make()
    translator.prepare()
    backend = translator.forwards.runner.backend
    block = next(iter(translator.plan.all_blocks()))
    monkeypatch.setattr(backend, "run", Shortage(backend.run, 0, MemoryError))
    with pytest.raises(MemoryError, match="smallest forward"):
        translator.compute(translator.load(block))
    monkeypatch.setattr(backend, "run", Shortage(backend.run, 0, OSError))
    with pytest.raises(OSError, match="CUDA"):
        translator.compute(translator.load(block))


def test_blank_edge_and_unreadable_tiles(make: Callable[..., Translator]) -> None:
    bad = np.zeros((300, 280), np.bool_)
    bad[96:192, 192:280] = True
    bad[200:210, 250:260] = True
    translator = make(slide_of(tissue(), bad=bad))
    made = {}
    for block in translator.plan.all_blocks():
        made |= translator.compute(translator.load(block))
    assert made[TileAddress(0, 1, 2)] == TileFailure("The slide cannot be read here.")
    blank = made[TileAddress(0, 0, 0)]
    assert blank.shape == (96, 96, 4)
    assert (blank == (240, 240, 240, 0)).all()
    edge = made[TileAddress(0, 3, 2)]
    assert edge.shape == (300 - 3 * 96, 280 - 2 * 96, 4)
    holes = made[TileAddress(0, 2, 2)][..., 3] == 0
    np.testing.assert_array_equal(holes, bad[192:288, 192:280])


def test_a_slide_without_tissue_is_blank_and_needs_no_statistics(
    make: Callable[..., Translator],
) -> None:
    translator = make(slide_of(np.full((150, 200, 3), 240, np.uint8)))
    assert not whole(translator)[..., 3].any()
    assert translator.statistics.windows == 0


def test_key_follows_everything_the_bytes_depend_on(
    make: Callable[..., Translator], model: Model, tmp_path: Path
) -> None:
    deeper = resnet_model(tmp_path / "other", ResnetConfig(ngf=4, n_blocks=2))
    keys = [
        make().key,
        make(slide_of(tissue(seed=2))).key,
        make(slide_of(tissue(), mpp=0.45)).key,
        make(statistics="tile").key,
        make(statistics="dense").key,
        make(tile=64).key,
        make(backend="openvino").key,
        make(precision="bf16").key,
        make(model=deeper).key,
    ]
    assert len(set(keys)) == len(keys)
    assert make().key == keys[0]


def test_a_running_produce_is_cancelled(make: Callable[..., Translator]) -> None:
    translator = make()
    translator.prepare()
    asked = iter([False, False])
    with pytest.raises(Cancelled):
        translator.produce(
            [TileAddress(0, 1, 1)], preview=lambda *_: None, cancelled=lambda: next(asked, True)
        )


def test_networks_of_other_kinds(make: Callable[..., Translator], tmp_path: Path) -> None:
    batch = resnet_model(tmp_path / "b", ResnetConfig(ngf=4, n_blocks=1, norm="batch"))
    plain = make(model=batch)
    assert plain.mode == "none"
    assert plain.statistics is None
    assert whole(plain)[..., 3].any()
    blended = make(model=unet_model(tmp_path / "u"))
    assert blended.plan.extra == 256
    first = whole(blended)
    address = TileAddress(0, 1, 2)
    alone = make(model=blended.model).produce([address], preview=lambda *_: None, cancelled=never)[
        address
    ]
    np.testing.assert_array_equal(alone, first[96:192, 192:280])
    np.testing.assert_allclose(
        whole(make(model=blended.model, backend="openvino")), first, rtol=0, atol=1
    )


def test_what_does_not_fit_is_refused_or_said(
    make: Callable[..., Translator], tmp_path: Path
) -> None:
    with pytest.raises(MissingScaleError):
        make(Slide("silent", slide_of(tissue()).source))
    with pytest.raises(UsageError, match="Unknown statistics 'global'"):
        make(statistics="global")
    with pytest.raises(UsageError, match="multiple of 32"):
        make(tile=100)
    with pytest.raises(ModelError, match="keeps the scale"):
        make(model=resnet_model(tmp_path / "s", mpp_out=0.25))
    assert make(slide_of(tissue(), 0.25)).notes == (
        "test has 0.25 µm/px and small was made for 0.5: the slide is resampled down.",
    )
    assert make().notes == ()
