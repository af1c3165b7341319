"""What every backend promises, and what its failures look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Bytes = NDArray[np.uint8]

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate", "bad_alloc")


class Described(Protocol):
    """Where pixels are made, in words."""

    @property
    def name(self) -> str:
        """``torch`` or ``openvino``."""
        ...

    @property
    def version(self) -> str:
        """Version of the library, on which the last bits depend."""
        ...

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        ...

    @property
    def device_kind(self) -> str:
        """What byte identity is promised for, such as ``cpu-AVX512``."""
        ...

    @property
    def precision(self) -> str:
        """``fp32`` or ``bf16``."""
        ...


class Backend(Described, Protocol):
    """A network on a device: uint8 in, uint8 out, the same bytes for the same window."""

    def run(self, batch: Bytes, *, cancelled: Callable[[], bool]) -> Bytes:
        """Translate one batch.

        Parameters
        ----------
        batch
            (N, 3, H, W) uint8 RGB; sides are multiples of the network's stride.
        cancelled
            Asked while the forward runs.

        Returns
        -------
        (N, C, H, W) uint8: clamped to [-1, 1], (v + 1) / 2 * 255, truncated.

        Raises
        ------
        Cancelled
            If ``cancelled`` said so; nothing is returned of a part.
        MemoryError, RuntimeError
            Where `is_out_of_memory` tells whether memory was the reason.
        """
        ...

    def release(self) -> None:
        """Give cached memory back, so that a smaller forward has room."""
        ...


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the device or the machine ran out of memory."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _OUT_OF_MEMORY)
