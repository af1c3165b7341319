"""How a step reaches weights, and how a run hears of signals and tells of failures."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import torch

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from lightning_fabric import Fabric
    from torch import Tensor
    from torch.optim import Optimizer

    from napari_virtual_ihc.jobs.run_folder import RunFolder


@dataclass
class FabricEngine:
    """Gradients and weights through lightning-fabric, clipped where the recipe asks for it."""

    fabric: Fabric
    clip_norm: float | None

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``."""
        self.fabric.backward(loss)

    def step(self, optimiser: Optimizer) -> None:
        """Clip, then let ``optimiser`` change its weights."""
        if self.clip_norm is not None:
            for group in optimiser.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], self.clip_norm)
        optimiser.step()


@dataclass
class Interruption:
    """Turns SIGTERM and SIGINT into a wish to stop after the present step."""

    asked: bool = False
    _former: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Begin to listen; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._former[number] = signal.signal(number, self._hear)
        return self

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *_: object) -> None:
        """Put the former handlers back."""
        for number, handler in self._former.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Failure:
    """Writes the failure that leaves its block into the run's events."""

    run: RunFolder

    def __enter__(self) -> None:
        """Begin to watch."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Note the failure; it is raised on."""
        if error is not None:
            message = str(error) or type(error).__name__
            self.run.append_event({"event": "failed", "message": message})


def accelerator(device: str) -> str:
    """Return fabric's name of a device, ``auto`` being the best there is."""
    return {"cuda": "gpu", "gpu": "gpu", "mps": "mps", "cpu": "cpu"}.get(device, "auto")
