"""The torch backend: any device, fp32 without TF32, or bf16.

On a CPU with channels last, oneDNN's direct convolutions of the published generators sum every
output pixel in an order that depends neither on the forward's size nor on the pixel's place in it
nor on the number of threads, so that a window computed in one large or several small forwards has
the same bytes (the tests hold this). For a few other widths (48 channels in; 256 to 16 or fewer)
and on a GPU the order may change with the shape, so `Forwards` compares before it relies on it.
"""

from __future__ import annotations

import platform
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_virtual_ihc.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch.utils.hooks import RemovableHandle

    from napari_virtual_ihc.translation.backends.base import Bytes

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def to_unit(batch: Tensor) -> Tensor:
    """Return uint8 pixels as float32 in [-1, 1]: (v / 255 - 0.5) / 0.5, as the papers read them."""
    return batch.to(torch.float32).div_(255).sub_(0.5).div_(0.5)


def to_bytes(image: Tensor) -> Tensor:
    """Return [-1, 1] as uint8 by clamping and truncation, as the papers write them."""
    return image.float().clamp(-1, 1).add(1).div(2).mul(255).to(torch.uint8)


def device_kind(device: torch.device) -> str:
    """Return what byte identity is promised for: the CPU's vector unit or the GPU's name."""
    if device.type == "cuda":
        return f"cuda-{torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        return f"cpu-{torch.backends.cpu.get_cpu_capability()}"
    return f"{device.type}-{platform.machine()}"


class TorchBackend:
    """A network in torch, eager, channels last, without gradients.

    Parameters
    ----------
    network
        In eval mode; taken over (moved to the device and precision).
    device
        Where it runs.
    precision
        ``fp32`` or ``bf16``; the last activation is computed in float32 either way.
    """

    name = "torch"

    def __init__(self, network: nn.Module, device: str = "cpu", precision: str = "fp32") -> None:
        self._place = torch.device(device)
        self._type = _TYPES[precision]
        self.precision = precision
        self.device = self._place.type
        self.device_kind = device_kind(self._place)
        self.version = torch.__version__
        self._network = network.to(
            self._place, self._type, memory_format=torch.channels_last
        ).eval()  # type: ignore[call-overload]
        self._last = _last_activation(self._network)

    def run(self, batch: Bytes, *, cancelled: Callable[[], bool]) -> Bytes:
        """Translate one batch (see `Backend.run`)."""
        with torch.inference_mode(), exact_arithmetic(), self._watching(cancelled):
            pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._place)
            image = to_unit(pixels).to(self._type).contiguous(memory_format=torch.channels_last)
            return to_bytes(self._network(image)).cpu().numpy()

    def release(self) -> None:
        """Give cached device memory back, so that a smaller forward has room."""
        if self.device == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def _watching(self, cancelled: Callable[[], bool]) -> Iterator[None]:
        def stop(module: nn.Module, inputs: object) -> None:
            if cancelled():
                raise Cancelled

        def widen(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
            return (inputs[0].float(),)

        hooks: list[RemovableHandle] = [
            module.register_forward_pre_hook(stop)
            for module in self._network.modules()
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        ]
        if self._last is not None:
            hooks.append(self._last.register_forward_pre_hook(widen))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Switch TF32 and algorithm search off while the context lasts."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _last_activation(network: nn.Module) -> nn.Module | None:
    found = [module for module in network.modules() if isinstance(module, nn.Tanh)]
    return found[-1] if found else None
