"""The OpenVINO backend: the fastest way on Intel CPUs, for networks with folded statistics.

Its f32 convolutions, like torch's, sum a pixel in an order that depends neither on the forward's
size nor on the number of threads (the tests hold this), so that the forward may be cut.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
import torch
from torch import nn

from napari_virtual_ihc.errors import Cancelled
from napari_virtual_ihc.translation.backends.openvino_graph import graph_of
from napari_virtual_ihc.translation.backends.torch_backend import device_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_virtual_ihc.translation.backends.base import Bytes

_HINTS = {"fp32": "f32", "bf16": "bf16"}
_SHAPES_KEPT = 4
_POLL_MS = 20


class OpenVinoBackend:
    """A network compiled for this CPU, once for each input shape.

    Its threads are not pinned: pinned ones of several processes would share the same cores.

    Parameters
    ----------
    network
        Of `shrinking`, or a folded U-Net; in float32.
    precision
        ``fp32``, or ``bf16`` where the CPU has units for it.
    threads
        Threads of a forward; torch's number where not given.
    """

    name = "openvino"
    device = "cpu"

    def __init__(
        self, network: nn.Module, precision: str = "fp32", threads: int | None = None
    ) -> None:
        self.precision = precision
        self.version = openvino.__version__.split("-")[0]
        self.device_kind = device_kind(torch.device("cpu"))
        self._network = network.cpu().eval()
        self._core = openvino.Core()
        self._hints = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def run(self, batch: Bytes, *, cancelled: Callable[[], bool]) -> Bytes:
        """Translate one batch (see `Backend.run`)."""
        request = self._request(batch.shape)
        request.start_async([_to_unit(batch)])
        while not request.wait_for(_POLL_MS):
            if cancelled():
                _abandon(request)
                raise Cancelled
        return _to_bytes(request.get_output_tensor(0).data)

    def release(self) -> None:
        """Give the memory of compiled shapes back."""
        self._compiled.clear()

    def _request(self, shape: tuple[int, ...]) -> Any:
        if shape in self._compiled:
            self._compiled.move_to_end(shape)
            return self._compiled[shape]
        n, channels, height, width = shape
        graph = graph_of(self._network, (n, channels, height, width))
        request = self._core.compile_model(graph, "CPU", self._hints).create_infer_request()
        self._compiled[shape] = request
        while len(self._compiled) > _SHAPES_KEPT:
            self._compiled.popitem(last=False)
        return request


def _abandon(request: Any) -> None:
    """Stop a running request and wait until it has, which OpenVINO reports as an error."""
    request.cancel()
    try:
        request.wait()
    except RuntimeError as error:
        if "cancel" not in str(error).lower():
            raise


def _to_unit(batch: Bytes) -> NDArray[np.float32]:
    values = batch.astype(np.float32)
    values /= 255
    values -= 0.5
    values /= 0.5
    return values


def _to_bytes(image: NDArray[np.float32]) -> Bytes:
    values = np.clip(image, -1, 1)
    values += 1
    values /= 2
    values *= 255
    return values.astype(np.uint8)
