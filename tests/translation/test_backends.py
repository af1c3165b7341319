from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from translation_scenes import resnet_model, slide_of, tissue, whole

from napari_virtual_ihc.errors import Cancelled, UsageError
from napari_virtual_ihc.tiles.producer import never
from napari_virtual_ihc.translation.backends import choose as choosing
from napari_virtual_ihc.translation.backends.base import is_out_of_memory
from napari_virtual_ihc.translation.backends.choose import Choice, choose, has_bf16_units
from napari_virtual_ihc.translation.backends.openvino_backend import OpenVinoBackend
from napari_virtual_ihc.translation.backends.torch_backend import TorchBackend, to_bytes, to_unit
from napari_virtual_ihc.translation.translator import Translator

if TYPE_CHECKING:
    from pathlib import Path


def net(width: int = 8) -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, width, 3), torch.nn.ReLU(), torch.nn.Conv2d(width, 3, 3)]
    return torch.nn.Sequential(*layers, torch.nn.Tanh()).requires_grad_(False)


def test_pixels_go_in_as_the_papers_read_them_and_out_truncated() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert to_unit(levels)[[0, 255]].tolist() == [-1.0, 1.0]
    values = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 7.0])
    assert to_bytes(values).tolist() == [0, 0, 127, 254, 255, 255]


@pytest.mark.parametrize("kind", [TorchBackend, OpenVinoBackend])
def test_batch_mates_do_not_change_a_byte(kind: type[TorchBackend] | type[OpenVinoBackend]) -> None:
    backend = kind(net())
    batch = np.random.default_rng(0).integers(0, 256, (3, 3, 40, 36), np.uint8)
    together = backend.run(batch, cancelled=never)
    alone = [backend.run(batch[i : i + 1], cancelled=never)[0] for i in range(3)]
    np.testing.assert_array_equal(together, np.stack(alone))


@pytest.mark.parametrize("kind", [TorchBackend, OpenVinoBackend])
def test_threads_do_not_change_a_byte(kind: type[TorchBackend] | type[OpenVinoBackend]) -> None:
    batch = np.random.default_rng(0).integers(0, 256, (1, 3, 200, 180), np.uint8)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(kind(net(32)).run(batch, cancelled=never))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kind", [TorchBackend, OpenVinoBackend])
def test_a_running_forward_can_be_cancelled_and_the_next_is_right(
    kind: type[TorchBackend] | type[OpenVinoBackend],
) -> None:
    backend = kind(net(64))
    batch = np.random.default_rng(0).integers(0, 256, (1, 3, 1200, 1200), np.uint8)
    with pytest.raises(Cancelled):
        backend.run(batch, cancelled=lambda: True)
    small = batch[:, :, :64, :64]
    np.testing.assert_array_equal(
        backend.run(small, cancelled=never), kind(net(64)).run(small, cancelled=never)
    )


def test_bf16_is_within_tolerance_of_fp32() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), np.uint8)
    fine = TorchBackend(net()).run(batch, cancelled=never).astype(int)
    coarse = TorchBackend(net(), precision="bf16").run(batch, cancelled=never)
    assert np.mean(np.abs(fine - coarse) <= 3) >= 0.999


def test_backends_agree(tmp_path: Path) -> None:
    model, slide = resnet_model(tmp_path / "m"), slide_of(tissue())
    torch_pixels, openvino_pixels = (
        whole(Translator(model, slide, backend=backend, tile=96, cache=tmp_path / "c")).astype(int)
        for backend in ("torch", "openvino")
    )
    assert np.abs(torch_pixels - openvino_pixels).max() <= 1


def test_auto_takes_what_the_machine_does_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(choosing, "_has_mps", lambda: False)
    monkeypatch.setattr(choosing, "_intel", lambda: True)
    monkeypatch.setattr(choosing, "cpu_flags", lambda: frozenset({"avx512f", "amx_bf16"}))
    assert has_bf16_units()
    assert choose("auto", "auto", "auto", folded=True) == Choice("cpu", "openvino", "bf16")
    assert choose("auto", "auto", "auto", folded=False).backend == "torch"
    monkeypatch.setattr(choosing, "cpu_flags", lambda: frozenset({"avx512f"}))
    assert choose("cpu", "auto", "auto", folded=True).precision == "fp32"
    monkeypatch.setattr(choosing, "openvino_installed", lambda: False)
    assert choose("cpu", "auto", "auto", folded=True).backend == "torch"
    with pytest.raises(UsageError, match=r"pip install 'napari-virtual-ihc\[cpu\]'"):
        choose("cpu", "openvino", "auto", folded=True)


def test_what_cannot_be_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no cuda device"):
        choose("cuda", "auto", "auto", folded=True)
    with pytest.raises(UsageError, match="Unknown backend 'tensorrt'"):
        choose("auto", "tensorrt", "auto", folded=True)
    with pytest.raises(UsageError, match="frozen statistics"):
        choose("cpu", "openvino", "auto", folded=False)


def test_memory_errors_are_told_from_others() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))
